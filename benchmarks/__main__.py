"""Run every benchmark, one after another."""

from benchmarks import regret, stacks, storage, throughput, trials_per_second, verdicts

if __name__ == "__main__":
    trials_per_second.main()
    throughput.main()
    stacks.main()
    storage.main()
    verdicts.main()
    regret.main()
