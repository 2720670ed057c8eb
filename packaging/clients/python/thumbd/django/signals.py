# SPDX-License-Identifier: MIT
"""Thumbnails that follow the files of a model:

    from thumbd.django.signals import follow

    class Photo(models.Model):
        image = models.ImageField(upload_to="photos")

    follow(Photo, "image", presets=["card"])

When files were uploaded, replaced or deleted, and the transaction is committed, the
thumbnails of the files before are removed, with one request to thumbd, and the presets of
the new ones are made, in the background. The originals of the site are in MEDIA_ROOT. settings.py:

    THUMBD_SITE = "gallery"                     # its name in thumbd.toml
    THUMBD_ADMIN = "/run/thumbd/admin.sock"     # the default
    THUMBD_WAIT = None                          # the default: wait of thumbd.toml

If several machines share a journal, an upload waits until all of them have purged, or for
THUMBD_WAIT seconds. The log then names the other machines, which make the purge up.
QuerySet.update and bulk_create send no signals. A thumbd that does not answer stops no
upload: after 20 s, and THUMBD_WAIT more, it has a line in the log of "thumbd", and the
thumbnails stay until a purge.
"""

import http.client
import logging
import os
import weakref
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import transaction
from django.db.models import signals

from thumbd import ThumbdError
from thumbd.admin import Admin

_log = logging.getLogger("thumbd")

# In seconds: longer than wait of thumbd.toml, 10 s by default, and shorter than gunicorn
# lets a request last, 30 s.
_PURGE = 20


def _start():
    """Starts the background, for at most two originals at once: an import has thousands."""
    global _background
    _background = ThreadPoolExecutor(max_workers=2, thread_name_prefix="thumbd warm")


_start()
# A child has none of its parent's threads.
os.register_at_fork(after_in_child=_start)


def follow(model, field, presets=None):
    """Have the thumbnails of a file field's originals follow it.

    presets are made when a file comes: names as thumbd warm takes them, () for all
    presets of the site, None for no preset.
    """
    before = f"_thumbd_{field}"

    def pre_save(sender, instance, raw, using, update_fields, **_):
        if raw or update_fields is not None and field not in update_fields:
            return
        rows = sender._base_manager.using(using).filter(pk=instance.pk).values_list(field, flat=True)
        file = getattr(instance, field)
        # Django stores an upload after this, and then knows its name.
        setattr(instance, before, (rows.first() or "", bool(file) and not file._committed))

    def post_save(instance, using, **_):
        old, fresh = instance.__dict__.pop(before, (None, False))
        if old is None:
            return
        new = getattr(instance, field).name or ""
        if fresh or old != new:
            _after_commit(using, {old, new}, new, presets)

    def pre_delete(instance, **_):
        # A deferred field can be read as long as there is a row.
        getattr(instance, field)

    def post_delete(instance, using, **_):
        _after_commit(using, {getattr(instance, field).name}, "", None)

    for name, receiver in {"pre_save": pre_save, "post_save": post_save, "pre_delete": pre_delete, "post_delete": post_delete}.items():
        getattr(signals, name).connect(receiver, sender=model, weak=False, dispatch_uid=f"thumbd {model._meta.label} {field}")


def _after_commit(using, gone, new, presets):
    purges = _purges(using)
    purges.names.update(name for name in gone if name)

    def ask():
        purges.ask()
        if new and presets is not None:
            path, site = _thumbd()
            _background.submit(_ask, Admin(path, timeout=600).warm, site, new, presets)

    transaction.on_commit(ask, using=using)


def _purges(using):
    """The purges of a database's transaction.

    Its callbacks alone keep them: with a rollback they are gone. If only a savepoint was
    rolled back, thumbnails that would have been right are made once more.
    """
    connection = transaction.get_connection(using)
    purges = getattr(connection, "_thumbd_purges", lambda: None)()
    if purges is None:
        purges = _Purges()
        connection._thumbd_purges = weakref.ref(purges)
    return purges


class _Purges:
    def __init__(self):
        self.names = set()

    def ask(self):
        names, self.names = sorted(self.names), set()
        if names:
            path, site = _thumbd()
            # The answer to the upload waits for it: a page that it leads to is right.
            _ask(Admin(path, timeout=_PURGE).purge, site, names, wait=getattr(settings, "THUMBD_WAIT", None))


def _thumbd():
    return getattr(settings, "THUMBD_ADMIN", "/run/thumbd/admin.sock"), settings.THUMBD_SITE


def _ask(method, *args, **options):
    try:
        method(*args, **options)
    except (OSError, http.client.HTTPException, ThumbdError, UnicodeError) as e:
        _log.warning("thumbd %s %s: %s", method.__name__, args, e)
