"""How gunicorn serves the app: the worker class, and restarts that lose no request.

gunicorn's master imports this package, so it imports nothing of trially: a worker that starts later
loads the code that is installed then.
"""
