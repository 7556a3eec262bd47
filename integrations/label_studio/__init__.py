"""Label Studio shows annotators what the server picks.

`integration.py` is the door. A label goes: `backend` (the webhook) -> `sync` (what Label Studio
says becomes what the campaign says) -> `queue` (a new pick goes to the front in Label Studio).
"""
