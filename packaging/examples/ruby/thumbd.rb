# SPDX-License-Identifier: MIT
# frozen_string_literal: true

require 'base64'
require 'erb'
require 'openssl'

# Signed URLs for thumbd. Paths are not percent-encoded.
#
#     key = Thumbd.read_key('/etc/myapp/gallery.key')
#     Thumbd.thumbnail(key, '/thumbs/', 'a.jpg', '400x300_crop', 'webp')
module Thumbd
  module_function

  def read_key(path)
    File.binread(path).delete_suffix("\n")
  end

  def signature(key, text)
    Base64.urlsafe_encode64(OpenSSL::HMAC.digest('SHA256', key, text)[0, 21])
  end

  def thumbnail(key, prefix, original, spec, ext)
    stem = "#{prefix}#{original}/#{spec}_"
    escape_path("#{stem}#{signature(key, "#{stem}.#{ext}")}.#{ext}")
  end

  # The URL of a protected path until expires, in seconds since 1970.
  def access(key, path, expires)
    signed('access', key, path, "expires=#{expires.to_i}")
  end

  # The URL of a file until expires, to be saved under name.
  def download(key, path, expires, name = nil)
    query = "expires=#{expires.to_i}"
    query += "&download=#{ERB::Util.url_encode(name)}" if name
    signed('file', key, path, query)
  end

  def signed(purpose, key, path, query)
    "#{escape_path(path)}?#{query}&signature=#{signature(key, [purpose, path, query].join("\n"))}"
  end

  def escape_path(path)
    path.split('/', -1).map { |segment| ERB::Util.url_encode(segment) }.join('/')
  end
end
