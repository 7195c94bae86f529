"""When a listing passed each point on its way through a lane: what timings and traces are made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """Moments of `perf_counter`, in seconds. A listing waits before it is prepared, and again until its first run.

    `windows` is how many it has, `batch_windows` how many ran with its last one; 0 when the model was not asked.
    """

    admitted_at: float
    prepare_at: float
    prepared_at: float
    started_at: float
    ended_at: float
    windows: int
    batch_windows: int

    @property
    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage: prepare, queue (both waits together), score."""
        prepare_s = self.prepared_at - self.prepare_at
        queue_s = max(0.0, self.started_at - self.admitted_at - prepare_s)
        stages_s = {"prepare": prepare_s, "queue": queue_s, "score": self.ended_at - self.started_at}
        return {stage: 1_000 * spent_s for stage, spent_s in stages_s.items()}
