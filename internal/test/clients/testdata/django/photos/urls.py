# SPDX-License-Identifier: MIT
from django.urls import path

from photos import views

urlpatterns = [path("<int:pk>", views.show), path("upload/<int:pk>", views.upload), path("delete/<int:pk>", views.delete)]
