#!/bin/sh
# Starts Aedes, a broker in JavaScript, in the foreground for a fair measurement: aedes.sh PORT
#
# It speaks MQTT 3.1.1 and no 5.0. Node runs JavaScript in one thread, so this broker uses one core however many there are. (Several processes behind
# node:cluster would need an external database to share subscriptions, and would be another broker.) It is installed from
# npm into a cache folder the first time.
set -eu
port=${1:?usage: aedes.sh PORT}
version=1.2.0
home=${XDG_CACHE_HOME:-$HOME/.cache}/ringmq-load/aedes-$version

if [ ! -d "$home/node_modules/aedes" ]; then
	command -v npm >/dev/null || { echo "aedes.sh: Node.js 20 or newer with npm is needed (apt install nodejs npm)" >&2; exit 1; }
	echo "aedes.sh: installing aedes $version into $home" >&2
	mkdir -p "$home"
	npm install --prefix "$home" --no-save --no-audit --no-fund --silent "aedes@$version" >&2
fi

# As many descriptors as the system allows: each client is one.
ulimit -n "$(ulimit -H -n)"
# Modules are looked for from here.
cd "$home"
exec node - <<EOF
const { Aedes } = require('aedes')
const net = require('node:net')

// Sessions and retained messages are in memory, which is the default; nothing is written to disk, nothing is logged, and
// nobody has to authenticate.
Aedes.createBroker({
  // Messages handled at a time: no limit. (The default is 100.)
  concurrency: 0,
  // Packets of a client that wait for its CONNECT to be handled. (The default of 42 closes clients that send more.)
  queueLimit: 100000,
  // The broker's own "I am alive" messages: hardly ever.
  heartbeatInterval: 3600000,
}).then((broker) => {
  const server = net.createServer({ noDelay: true }, broker.handle)
  // Loopback only. The backlog lets many clients connect at a time.
  server.listen({ port: $port, host: '127.0.0.1', backlog: 65535 })
})
EOF
