# SPDX-License-Identifier: MIT
# frozen_string_literal: true

# Reads a site and originals from stdin, and writes their picture elements: see all.
require 'json'
$LOAD_PATH.unshift("#{ARGV[0]}/ruby/lib")
require 'thumbd'

given = JSON.parse($stdin.set_encoding('UTF-8').read)
site = Thumbd::Site.new(given['options'])
elements = given['cases'].map do |x|
  site.picture(x.delete('original'), x.delete('preset'), **x.transform_keys(&:to_sym))
end
puts JSON.generate(elements)
