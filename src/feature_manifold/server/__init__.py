"""The HTTP API and the web app.

Public entry points:

- ``settings.ServerSettings``: where the data are, where to listen, who may ask.
- ``app.build_app``: settings -> the application; ``run.run_server`` listens and serves it.
- ``openapi.openapi_document``: the document of the API.

Nothing is imported here: the command line reads the defaults of the settings without FastAPI.
"""
