"""What Prometheus is told, of stages, outcomes, queue, batches, versions, shadow, webhooks, in a registry of ours."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fairstall.model.decide import Doubt, Outcome
from fairstall.model.decision import Decision, Versions

Result: TypeAlias = Literal["found", "nothing", "failed"]

CHAMPION = "champion"
STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COUNT_BUCKETS = (1, 2, 3, 4, 8, 16, 32, 64, 128, 256)


class Children(dict[tuple[str, ...], Any]):
    """The series of a metric by the values of its labels, which `labels()` would look up under a lock each time."""

    def __init__(self, metric: Counter | Histogram) -> None:
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        self[labels] = self._metric.labels(*labels)
        return self[labels]


class Telemetry:
    """Every metric of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._stages = Children(
            Histogram(
                "fairstall_stage_seconds",
                "Time of one listing by stage; store is per transaction, request per request.",
                ["stage"],
                buckets=STAGE_BUCKETS_S,
                registry=self.registry,
            )
        )
        self._outcomes = Children(
            Counter(
                "fairstall_decisions",
                "Decisions stored, by outcome and model.",
                ["outcome", "model"],
                registry=self.registry,
            )
        )
        self._findings = Children(
            Counter(
                "fairstall_findings",
                "Findings stored, by policy and outcome of the listing.",
                ["policy", "outcome"],
                registry=self.registry,
            )
        )
        self._repeats = Counter(
            "fairstall_repeats", "Decisions stored with the scores of an earlier equal text.", registry=self.registry
        )
        self._unscored = Counter(
            "fairstall_unscored",
            "Decisions stored without scores, as the policies state for listings that cannot be scored in time.",
            ["outcome"],
            registry=self.registry,
        )
        self._near_duplicates = Counter(
            "fairstall_near_duplicates", "Decisions stored that resemble a blocked listing.", registry=self.registry
        )
        self._blocked_prints = Gauge(
            "fairstall_blocked_prints", "Blocked listings that new ones are compared with.", registry=self.registry
        )
        self._responses = Children(
            Counter(
                "fairstall_responses",
                "HTTP responses, by route and status.",
                ["route", "status"],
                registry=self.registry,
            )
        )
        self._connections = Gauge("fairstall_connections", "Connections that are open.", registry=self.registry)
        self._connections_ended = Counter(
            "fairstall_connections_ended",
            "Connections that this side ended before a request on them could be answered, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._batches = Histogram(
            "fairstall_batch_windows", "Windows run at once.", buckets=(1, 2, 3, 4), registry=self.registry
        )
        self._commits = Histogram(
            "fairstall_commit_submissions",
            "Requests stored in one transaction.",
            buckets=COUNT_BUCKETS,
            registry=self.registry,
        )
        self._reloads = Counter(
            "fairstall_reloads", "Bundles that were put into service or refused.", ["result"], registry=self.registry
        )
        self._serving = Gauge(
            "fairstall_serving_info",
            "1 for the versions in service, by role: champion, canary or shadow.",
            ["model", "policies", "role"],
            registry=self.registry,
        )
        self._versions: dict[str, Versions] = {}
        self._waiting = Gauge("fairstall_waiting_tokens", "Tokens that wait for a lane.", registry=self.registry)

        self._canary_fallbacks = Counter(
            "fairstall_canary_fallbacks",
            "What the champion did instead of a canary: bundles not loaded, listings not scored.",
            ["stage"],
            registry=self.registry,
        )
        self._shadow_compared = Counter(
            "fairstall_shadow_compared",
            "Listings scored by the shadow too, by the outcome answered and by that of the shadow.",
            ["before", "after"],
            registry=self.registry,
        )
        self._shadow_dropped = Counter(
            "fairstall_shadow_dropped", "Listings that the shadow had no time for.", registry=self.registry
        )
        self._shadow_failed = Counter(
            "fairstall_shadow_failed",
            "What a shadow failed at: bundles to load, listings to score, comparisons to store.",
            ["stage"],
            registry=self.registry,
        )

        self._explained = Counter(
            "fairstall_evidence_cases",
            "Cases whose model evidence was looked for, by result.",
            ["result"],
            registry=self.registry,
        )
        self._explaining = Histogram(
            "fairstall_evidence_seconds",
            "Time to find the model evidence of a case, without waiting for listings.",
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )

        self._webhooks = Counter(
            "fairstall_webhook_deliveries",
            "Attempts to deliver an event, by result.",
            ["result"],
            registry=self.registry,
        )
        self._oldest_webhook = Gauge(
            "fairstall_webhook_oldest_waiting_seconds",
            "Age of the oldest delivery that waits for an enabled endpoint.",
            registry=self.registry,
        )
        self._endpoints = Gauge(
            "fairstall_webhook_endpoints", "Webhook endpoints, by state.", ["state"], registry=self.registry
        )

    def watch_queue(self, tokens: Callable[[], int]) -> None:
        self._waiting.set_function(tokens)

    def compares_with(self, blocked: int) -> None:
        self._blocked_prints.set(blocked)

    def batch(self, windows: int) -> None:
        self._batches.observe(windows)

    def commit(self, submissions: int, seconds: float) -> None:
        self._commits.observe(submissions)
        self._stages["store",].observe(seconds)

    def scored(self, timings_ms: Mapping[str, float]) -> None:
        for stage, spent_ms in timings_ms.items():
            self._stages[stage,].observe(spent_ms / 1_000)

    def stored(self, decision: Decision) -> None:
        outcome = str(decision.outcome)
        self._outcomes[outcome, decision.assessment.versions.model].inc()
        self._repeats.inc(decision.repeated)
        if Doubt.NOT_SCORED in decision.assessment.doubts:
            self._unscored.labels(outcome).inc()
        self._near_duplicates.inc(any(finding.resembles for finding in decision.assessment.findings))
        for finding in decision.assessment.findings:
            self._findings[finding.policy, outcome].inc()

    def responded(self, route: str, status: int, seconds: float) -> None:
        self._responses[route, str(status)].inc()
        self._stages["request",].observe(seconds)

    def connections(self, count: int) -> None:
        self._connections.set(count)

    def connection_ended(self, reason: str) -> None:
        self._connections_ended.labels(reason).inc()

    def reloaded(self, *, accepted: bool) -> None:
        self._reloads.labels("accepted" if accepted else "refused").inc()

    def serves(self, versions: Versions | None, *, role: str = CHAMPION) -> None:
        """What is in service in that role now; None for nothing."""
        if before := self._versions.pop(role, None):
            self._serving.remove(before.model, before.policies, role)
        if versions:
            self._versions[role] = versions
            self._serving.labels(versions.model, versions.policies, role).set(1)

    def canary_fell_back(self, stage: Literal["load", "score"]) -> None:
        self._canary_fallbacks.labels(stage).inc()

    def shadow_compared(self, before: Outcome, after: Outcome) -> None:
        self._shadow_compared.labels(str(before), str(after)).inc()

    def shadow_dropped(self, listings: int = 1) -> None:
        self._shadow_dropped.inc(listings)

    def shadow_failed(self, stage: Literal["load", "score", "store"], count: int = 1) -> None:
        self._shadow_failed.labels(stage).inc(count)

    def explained(self, result: Result, seconds: float) -> None:
        self._explained.labels(result).inc()
        self._explaining.observe(seconds)

    def webhook(self, result: str) -> None:
        self._webhooks.labels(result).inc()

    def webhooks_stand(self, oldest_s: float, *, enabled: int, disabled: int) -> None:
        self._oldest_webhook.set(oldest_s)
        self._endpoints.labels("enabled").set(enabled)
        self._endpoints.labels("disabled").set(disabled)

    def text(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)
