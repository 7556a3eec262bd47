"""The tables. The events are the truth; everything else can be computed from them and the files."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("spec", JSON, nullable=False),  # CampaignSpec as it was asked for
    Column("state", String(16), nullable=False),  # preparing | ready | failed
    Column("error", Text),
    Column("prepared", JSON(none_as_null=True)),  # Prepared: what the preparation settled
    Column("failures", JSON, nullable=False),  # samples left out: [{"sample", "reason"}]
)

samples = Table(
    "samples",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), primary_key=True),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("sample_id", Text, nullable=False),
    Column("path", Text),  # of an image
    Column("text", Text),
    Index("samples_by_id", "campaign_id", "sample_id", unique=True),
)

events = Table(
    "events",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),  # seconds since 1970, UTC
    Column("kind", String(16), nullable=False),
    Column("row", Integer),
    Column("annotator", Text),
    Column("label", JSON(none_as_null=True)),  # class index, or a list of them
    Column("lead_time_s", Float),
    Column("key", Text),
    Column("data", JSON(none_as_null=True)),
)
