"""Two databases on the cluster that run.py has started."""

import os

DATABASES = {
    alias: {"ENGINE": "backend", "HOST": os.environ["QUORLITE_TARGET"], "NAME": alias}
    for alias in ("default", "other")
}
SECRET_KEY = "of tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
