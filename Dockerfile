# syntax=docker/dockerfile:1
# The scoring API and the console in one image, without the training stack. Build: docker build -t fairstall .
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY cli cli
COPY evals evals
COPY labeling labeling
COPY model model
COPY policies policies
COPY records records
COPY serving serving
COPY training training
# It is started once and ended (143), so that the bytecode of what it uses is there, and none of what it does not.
RUN python -m venv /opt/fairstall \
 && /opt/fairstall/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check --constraint constraints.txt '.[serving,labeling,oidc,tracing]' \
 && (FAIRSTALL_HOME=/tmp/home timeout --preserve-status 30 /opt/fairstall/bin/fairstall up || [ $? -eq 143 ]) \
 && rm -r /tmp/home

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --home-dir /var/lib/fairstall --uid 10001 fairstall
COPY --from=build /opt/fairstall /opt/fairstall
ENV PATH=/opt/fairstall/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FAIRSTALL_HOME=/var/lib/fairstall/home \
    FAIRSTALL_HOST=0.0.0.0
USER 10001
WORKDIR /var/lib/fairstall
VOLUME /var/lib/fairstall/home
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# SIGTERM drains what was accepted before the process ends.
CMD ["fairstall", "up"]
