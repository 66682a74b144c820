"""The page: one file a tab, and what serves them. The only rooms, with `studio.api`, that know of Gradio."""
