"""Steps over the store: read its variables, call core, write its variables. No Prefect here."""
