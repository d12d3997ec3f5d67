"""Base of the records that are stored in files."""

from pydantic import BaseModel, ConfigDict


class FrozenRecord(BaseModel):
    """A record whose fields can't be changed and in which an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
