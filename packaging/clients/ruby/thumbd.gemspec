# SPDX-License-Identifier: MIT
# frozen_string_literal: true

Gem::Specification.new do |s|
  s.name = 'thumbd'
  s.version = '0.0.0'
  s.summary = "URLs, srcsets and picture elements of thumbd's thumbnails"
  s.authors = ['thumbd']
  s.license = 'MIT'
  s.required_ruby_version = '>= 3.0'
  s.files = Dir['lib/**/*.rb'] + ['README.md']
end
