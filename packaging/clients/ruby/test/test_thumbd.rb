# SPDX-License-Identifier: MIT
# frozen_string_literal: true

# ruby test/test_thumbd.rb. The helper's part needs Debian's ruby-activesupport.

require 'cgi'
require 'json'
$LOAD_PATH.unshift("#{__dir__}/../lib")
require 'thumbd'

def read(name)
  JSON.parse(File.read("#{__dir__}/../../../../testdata/vectors/#{name}.json", encoding: 'UTF-8'))
end

$checked = 0

def same(got, want)
  $checked += 1
  abort "got  #{got}\nwant #{want}" unless got == want
end

# The other vectors have one right encoding of many.
def decoded(url)
  path, query = url.split('?', 2)
  [CGI.unescape(path.gsub('+', '%2B')).b, query]
end

def options(vector)
  vector.slice('width', 'height', 'info', 'alt', 'sizes', 'lazy', 'priority', 'placeholder').transform_keys(&:to_sym)
end

v = read('clients')
sites = v['sites'].transform_values { |o| Thumbd::Site.new(o) }
v['urls'].each { |x| same(sites[x['site']].url(x['original'], x['spec'], x['format']), x['want']) }
v['srcsets'].each do |x|
  got = sites[x['site']].srcset(x['original'], x['spec'], width: x['width'], height: x['height'], format: x['format'])
  same(got, x['want'])
end
v['pictures'].each { |x| same(sites[x['site']].picture(x['original'], x['spec'], **options(x)), x['want']) }
v['refused'].each do |x|
  got = sites[x['site']].picture(x['original'], x['spec'], **options(x))
  abort "#{x['why']}: got #{got}"
rescue Thumbd::Mistake
  $checked += 1
end
pictures = v['pictures']

shown = Thumbd::Site.new(prefix: '/t/', scheme: 'signed', key: 'secret').inspect
abort "the key is shown: #{shown}" if shown.include?('secret') || !shown.include?('/t/')

v = read('signed')
v['vectors'].each do |x|
  site = Thumbd::Site.new(prefix: x['prefix'], scheme: 'signed', key: "#{v['key']}\n", presets: { x['spec'] => {} })
  same(decoded(site.url(x['original'], x['spec'], x['ext'])), decoded(x['request']))
end
v = read('access')
v['vectors'].each { |x| same(decoded(Thumbd.access(v['key'], x['path'], x['expires'])), decoded(x['request'])) }
v = read('files')
v['vectors'].each do |x|
  next if x['order']

  same(decoded(Thumbd.download(v['key'], x['path'], x['expires'], x['download'])), decoded(x['request']))
end

require 'logger'
require 'active_support'
require 'active_support/core_ext/string/output_safety'
require 'thumbd/rails'
view = Class.new { include Thumbd::Rails }.new
pictures.each do |x|
  Thumbd::Rails.site = sites[x['site']]
  element = view.thumbd_picture(x['original'], x['spec'], **options(x))
  same([element.to_s, element.html_safe?], [x['want'], true])
  same(view.thumbd_url(x['original'], x['spec']), sites[x['site']].url(x['original'], x['spec']))
end
puts $checked
