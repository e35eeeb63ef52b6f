"""Points between two writes, at which a test lets this process vanish as a power cut would.

A test names a folder in FALLLINE_CRASH_AT and puts an empty file into it that is named after a point.
Whoever reaches the point removes the file and is gone, so each file is one crash. Without the
variable, which no user has a reason to set, nothing happens.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

VARIABLE = "FALLLINE_CRASH_AT"
EXIT_CODE = 137  # what a shell says of a process that was killed

Point = Literal[
    "tables_made",  # ours, and not yet Optuna's
    "token_written",  # to its file, and not yet to the database
    "bytes_kept",  # of a dataset, and no row names them
    "dataset_described",  # and the client has no answer
    "dataset_forgotten",  # and its bytes are there still
    "job_queued",  # and the client has no answer
    "job_deleted",
    "job_requeued",  # by a server that starts
    "job_claimed",
    "attempt_recorded",
    "transfer_settled",
    "wave_proposed",  # and not stored
    "wave_half_asked",  # within the transaction, as for every half
    "wave_asked",
    "wave_trained",
    "wave_half_told",
    "wave_told",
    "confirmation_announced",
    "finalists_trained",
    "confirmation_recorded",
    "job_half_finished",
    "job_finished",
    "message_sent",  # and not yet written down as delivered
    "trial_handed_out",  # to an external trainer, who has no answer
    "trial_taken_back",  # from one, who has no answer
]


def reach(point: Point) -> None:
    """Vanish here, if a test asks for it."""
    folder = os.environ.get(VARIABLE)
    if folder is not None:
        with suppress(FileNotFoundError):
            (Path(folder) / point).unlink()
            os._exit(EXIT_CODE)
