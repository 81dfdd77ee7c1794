"""Django's ORM on a cluster: ``"ENGINE": "quorlite.django"``.

    DATABASES = {
        "default": {
            "ENGINE": "quorlite.django",
            "HOST": "node1:9001,node2:9001,node3:9001",
            "NAME": "app",
        }
    }

It is Django's backend for SQLite, whose SQL it keeps; the functions that this adds to SQLite, nodes
have by themselves. `base` says what is different.
"""
