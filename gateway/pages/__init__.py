"""The pages, their files, and the browser SDK."""
