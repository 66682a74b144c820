"""The studio: engines, jobs, takes and history put together. Only `studio.ui` and `studio.api` know the page."""
