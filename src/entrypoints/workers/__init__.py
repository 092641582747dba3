"""Background threads: message delivery and event subscriptions."""
