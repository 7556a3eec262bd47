"""The HTTP API, one blueprint a noun: views parse, call once, answer."""
