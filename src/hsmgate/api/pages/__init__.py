"""The pages that show the description of the API: Swagger UI, served from here, with a fixed table of files."""
