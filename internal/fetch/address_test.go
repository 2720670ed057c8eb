// SPDX-License-Identifier: MIT

package fetch

import (
	"net/netip"
	"testing"
)

func TestSpecialAddresses(t *testing.T) {
	for _, tt := range []struct {
		what    string
		special []string
		plain   []string // beside it
	}{
		{"this network", []string{"0.0.0.0", "0.255.255.255"}, []string{"1.0.0.0"}},
		{"private", []string{"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"},
			[]string{"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"}},
		{"carrier-grade NAT", []string{"100.64.0.0", "100.127.255.255"}, []string{"100.63.255.255", "100.128.0.0"}},
		{"loopback", []string{"127.0.0.1", "127.255.255.255", "::1"}, []string{"126.255.255.255", "128.0.0.0"}},
		{"link-local", []string{"169.254.169.254", "fe80::1", "fe80::1%lo", "febf::1"}, []string{"169.253.255.255", "169.255.0.0"}},
		{"IETF protocols", []string{"192.0.0.1", "192.0.0.170", "2001:1::1"}, []string{"192.0.1.0"}},
		{"documentation", []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"},
			[]string{"192.0.3.0", "198.51.101.0", "203.0.114.0", "2001:db9::1", "3fff:1000::1"}},
		{"AS112 and AMT", []string{"192.31.196.1", "192.52.193.1", "192.175.48.1", "2620:4f:8000::1"}, []string{"192.31.197.1", "2620:4f:8001::1"}},
		{"6to4", []string{"192.88.99.1", "2002:7f00:1::1", "2002:808:808::1"}, []string{"192.88.100.1", "2003::1"}},
		{"benchmarks", []string{"198.18.0.0", "198.19.255.255", "2001:2::1"}, []string{"198.17.255.255", "198.20.0.0"}},
		{"multicast", []string{"224.0.0.1", "239.255.255.255", "ff02::1"}, []string{"223.255.255.255"}},
		{"reserved", []string{"240.0.0.1", "255.255.255.255", "4000::1", "5f00::1", "100::1", "fec0::1"}, []string{"2400::1", "2a00::1", "2a00::1%lo"}},
		{"unspecified", []string{"::"}, nil},
		{"unique local", []string{"fc00::1", "fd12:3456:789a::1"}, nil},
		{"mapped", []string{"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"}, []string{"::ffff:8.8.8.8"}},
		{"compatible", []string{"::127.0.0.1", "::8.8.8.8"}, nil},
		{"translated", []string{"::ffff:0:127.0.0.1"}, nil},
		{"NAT64", []string{"64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1"}, nil},
		{"Teredo and ORCHID", []string{"2001::1", "2001:0:7f00:1::1", "2001:10::1", "2001:20::1"}, []string{"2001:200::1", "2001:4860:4860::8888"}},
	} {
		for _, text := range tt.special {
			if !isSpecial(netip.MustParseAddr(text)) {
				t.Errorf("%s: %s is taken for an address of the Internet", tt.what, text)
			}
		}
		for _, text := range tt.plain {
			if isSpecial(netip.MustParseAddr(text)) {
				t.Errorf("%s: %s is taken for a special address", tt.what, text)
			}
		}
	}
	if !isSpecial(netip.Addr{}) {
		t.Error("no address at all is taken for one of the Internet")
	}
}

func TestExceptionsAllowWhatTheyName(t *testing.T) {
	exceptions := prefixes("10.1.0.0/16", "fd00::/8")
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.0": false, "127.0.0.1": false,
		"fd00::1": true, "fd00::1%lo": true, "fc00::1": false, "8.8.8.8": true,
	} {
		if got := Allowed(netip.MustParseAddr(text), exceptions); got != want {
			t.Errorf("%s: allowed %v, want %v", text, got, want)
		}
	}
}
