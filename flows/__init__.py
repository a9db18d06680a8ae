"""Who runs the steps, when, and with what retries: the command line and the Prefect flows."""
