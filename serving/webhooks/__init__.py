"""Sending events to webhook endpoints, as the Standard Webhooks specification has it."""
