# SPDX-License-Identifier: MIT
from django.db import models

from thumbd.django.signals import follow


class Photo(models.Model):
    title = models.CharField(max_length=100)
    image = models.ImageField(upload_to="photos", width_field="width", height_field="height")
    width = models.IntegerField()
    height = models.IntegerField()


follow(Photo, "image", presets=["hero-*"])
