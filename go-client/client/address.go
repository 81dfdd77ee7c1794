package client

import (
	"strconv"
	"strings"
)

// Of the list of nodes that a server tells: an address is a host's name and a port, and members are
// few.
const (
	addressBytesMax = 262
	nodesMax        = 1024
)

// isLocal: a Unix socket of this machine.
func isLocal(address string) bool { return strings.HasPrefix(address, "@") }

// isAddress tells whether a server may name this: HOST:PORT in printable ASCII letters, or "@name"
// where the client was given a Unix socket itself.
func isAddress(text string, local bool) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '/' {
			return false
		}
	}
	if len(text) > addressBytesMax {
		return false
	}
	if isLocal(text) {
		return local && len(text) > 1
	}
	host := strings.TrimSuffix(text, portOf(text))
	port, err := strconv.ParseUint(portOf(text), 10, 16)
	return err == nil && port > 0 && len(host) > 1
}

// portOf is what follows the last colon.
func portOf(address string) string {
	return address[strings.LastIndexByte(address, ':')+1:]
}
