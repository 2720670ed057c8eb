# SPDX-License-Identifier: MIT
# frozen_string_literal: true

require 'thumbd'

module Thumbd
  # A helper for Rails' views. config/initializers/thumbd.rb:
  #
  #     require 'thumbd/rails'
  #     Thumbd::Rails.site = Thumbd::Site.new(prefix: '/thumbs/', scheme: 'signed',
  #                                           key: Rails.application.credentials.thumbd_key, presets: {...})
  #     ActiveSupport.on_load(:action_view) { include Thumbd::Rails }
  #
  # In a view:
  #
  #     <%= image_tag thumbd_url(photo.name, 'card') %>
  #     <%= thumbd_picture photo.name, 'hero', width: photo.width, height: photo.height, alt: photo.title %>
  module Rails
    class << self
      attr_accessor :site
    end

    def thumbd_url(original, spec, format = nil)
      Thumbd::Rails.site.url(original, spec, format)
    end

    def thumbd_picture(original, preset, **options)
      # Site#picture escapes; html_safe is ActiveSupport's.
      Thumbd::Rails.site.picture(original, preset, **options).html_safe
    end
  end
end
