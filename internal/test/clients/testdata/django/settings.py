# SPDX-License-Identifier: MIT
"""A site with photos. Its folder, which the environment names, has all that changes."""
import json
import os
from pathlib import Path

FOLDER = Path(os.environ["SITE_FOLDER"])

SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["thumbd.django", "photos"]
ROOT_URLCONF = "photos.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
MEDIA_ROOT = FOLDER / "media"

THUMBD = json.loads((FOLDER / "thumbd.json").read_text())
THUMBD_SITE = "gallery"
THUMBD_ADMIN = os.environ["THUMBD_ADMIN"]
