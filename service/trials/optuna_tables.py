"""Optuna's tables and how it stores floats: the only module that touches its private models.

The models may change with any minor release of Optuna. The release is therefore pinned, and
the contract test compares every column written here with what Optuna itself writes.
"""

from optuna.storages._rdb import models
from sqlalchemy import Column, Table

studies: Table = models.StudyModel.__table__
study_directions: Table = models.StudyDirectionModel.__table__
study_user_attributes: Table = models.StudyUserAttributeModel.__table__
study_system_attributes: Table = models.StudySystemAttributeModel.__table__

trials: Table = models.TrialModel.__table__
trial_params: Table = models.TrialParamModel.__table__
trial_values: Table = models.TrialValueModel.__table__
trial_intermediate_values: Table = models.TrialIntermediateValueModel.__table__
trial_user_attributes: Table = models.TrialUserAttributeModel.__table__
trial_system_attributes: Table = models.TrialSystemAttributeModel.__table__
trial_heartbeats: Table = models.TrialHeartbeatModel.__table__

# What hangs on a study and on a trial: deleted first, since the database knows no cascade.
OF_STUDY = (study_directions, study_user_attributes, study_system_attributes)
OF_TRIAL = (
    trial_params,
    trial_values,
    trial_intermediate_values,
    trial_user_attributes,
    trial_system_attributes,
    trial_heartbeats,
)

# Infinities (and, for intermediate values, NaN) are a type beside an empty number.
ValueType = models.TrialValueModel.TrialValueType
value_to_row = models.TrialValueModel.value_to_stored_repr
value_from_row = models.TrialValueModel.stored_repr_to_value
intermediate_to_row = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
intermediate_from_row = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value


def fitting(column: "Column[str]", text: str) -> str:
    """Return the text if its column can hold it.

    PostgreSQL would refuse a longer one in the middle of a transaction, SQLite would keep it.

    Raises:
        ValueError: the text is longer than the column.
    """
    limit: int | None = getattr(column.type, "length", None)
    if limit is not None and len(text) > limit:
        raise ValueError(
            f"{column} holds at most {limit} characters. Got {len(text)}: {text[:40]!r}..."
        )
    return text
