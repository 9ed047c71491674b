# Calls a URL with Ruby's standard client and prints what it got.
require "net/http"
print Net::HTTP.get(URI(ARGV[0]))
