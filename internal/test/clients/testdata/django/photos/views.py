# SPDX-License-Identifier: MIT
from django import forms
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from photos.models import Photo


class PhotoForm(forms.ModelForm):
    class Meta:
        model = Photo
        fields = ["title", "image"]


def show(request, pk):
    return render(request, "photo.html", {"photo": get_object_or_404(Photo, pk=pk)})


@transaction.atomic
def upload(request, pk):
    form = PhotoForm(request.POST, request.FILES, instance=Photo.objects.filter(pk=pk).first() or Photo(pk=pk))
    if not form.is_valid():
        return HttpResponse(form.errors, status=400)
    return redirect(show, form.save().pk)


def delete(request, pk):
    get_object_or_404(Photo, pk=pk).delete()
    return HttpResponse("deleted")
