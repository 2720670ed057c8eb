# SPDX-License-Identifier: MIT
# frozen_string_literal: true

require 'cgi'
require 'json'

root = ARGV.fetch(0)
require "#{root}/packaging/examples/ruby/thumbd"

checked = 0
expect = lambda do |got, want|
  checked += 1
  a = got.split('?', 2)
  b = want.split('?', 2)
  # CGI takes a + for a space.
  decode = ->(path) { CGI.unescape(path.gsub('+', '%2B')) }
  abort "got #{got}; want #{want}" if decode.call(a[0]) != decode.call(b[0]) || a[1] != b[1]
end

vectors = lambda do |name|
  v = JSON.parse(File.read("#{root}/testdata/vectors/#{name}.json", encoding: 'UTF-8'))
  [v['key'], v['vectors'].reject { |x| x['order'] }]
end

key, all = vectors.call('signed')
all.each { |x| expect.call(Thumbd.thumbnail(key, x['prefix'], x['original'], x['spec'], x['ext']), x['request']) }
key, all = vectors.call('access')
all.each { |x| expect.call(Thumbd.access(key, x['path'], x['expires']), x['request']) }
key, all = vectors.call('files')
all.each { |x| expect.call(Thumbd.download(key, x['path'], x['expires'], x['download']), x['request']) }
puts checked
