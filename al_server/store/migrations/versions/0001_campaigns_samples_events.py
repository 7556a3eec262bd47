"""Campaigns, samples, events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first three tables."""
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("prepared", sa.JSON),
        sa.Column("failures", sa.JSON, nullable=False),
    )
    op.create_table(
        "samples",
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sample_id", sa.Text, nullable=False),
        sa.Column("path", sa.Text),
        sa.Column("text", sa.Text),
    )
    op.create_index("samples_by_id", "samples", ["campaign_id", "sample_id"], unique=True)
    op.create_table(
        "events",
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("row", sa.Integer),
        sa.Column("annotator", sa.Text),
        sa.Column("label", sa.JSON),
        sa.Column("lead_time_s", sa.Float),
        sa.Column("key", sa.Text),
        sa.Column("data", sa.JSON),
    )


def downgrade() -> None:
    """Drop them again."""
    for table in ("events", "samples", "campaigns"):
        op.drop_table(table)
