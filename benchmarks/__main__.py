"""Run every benchmark, one after another."""

from benchmarks import (
    overhead,
    regret,
    repeatability,
    stacks,
    storage,
    throughput,
    time_to_target,
    transfer,
    trials_per_second,
    verdicts,
)

if __name__ == "__main__":
    trials_per_second.main()
    throughput.main()
    stacks.main()
    storage.main()
    overhead.main()
    time_to_target.main()
    verdicts.main()
    regret.main()
    transfer.main()
    repeatability.main()
