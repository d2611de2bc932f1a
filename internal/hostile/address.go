package hostile

// urlCases are URLs that must not be accepted, or not be dialled, by a sender
// that was not told to allow its own machine. Many resolvers read the strange
// ones as 127.0.0.1, so a sender that lets them through comes here.
func urlCases() []Case {
	cases := []Case{
		{Name: "url-short", What: "is an IPv4 address of two numbers", url: "http://127.1:{port}/{name}"},
		{Name: "url-hex", What: "is an IPv4 address as a hexadecimal number", url: "http://0x7f000001:{port}/{name}"},
		{Name: "url-decimal", What: "is an IPv4 address as a decimal number", url: "http://2130706433:{port}/{name}"},
		{Name: "url-octal", What: "is an IPv4 address with octal numbers", url: "http://0177.0.0.1:{port}/{name}"},
		{Name: "url-loopback", What: "is this machine, as is every port of the sender itself", url: "http://127.0.0.1:{port}/{name}"},
		{Name: "url-localhost", What: "is this machine, by name", url: "http://localhost:{port}/{name}"},
		{Name: "url-this-network", What: "is 0.0.0.0, which leads to this machine", url: "http://0.0.0.0:{port}/{name}"},
		{Name: "url-ipv6-loopback", What: "is ::1", url: "http://[::1]:{port}/{name}"},
		{Name: "url-mapped", What: "is 127.0.0.1 mapped into IPv6", url: "http://[::ffff:7f00:1]:{port}/{name}"},
		{Name: "url-nat64", What: "is a metadata address behind a NAT64 gateway", url: "http://[64:ff9b::a9fe:a9fe]:{port}/{name}"},
		{Name: "url-6to4", What: "is 127.0.0.1 behind a 6to4 relay", url: "http://[2002:7f00:1::]:{port}/{name}"},
		{Name: "url-metadata", What: "is the metadata service of the clouds", url: "http://169.254.169.254/latest/meta-data/"},
		{Name: "url-trailing-dot", What: "is this machine, with a dot at the end of the name", url: "http://localhost.:{port}/{name}"},
		{Name: "url-userinfo", What: "has a user and a password, and looks like another host", url: "http://shop.example:80@{addr}/{name}"},
		{Name: "url-idn-dots", What: "is 127.0.0.1 with the dots of another script", url: "http://127\u30020\u30020\u30021:{port}/{name}"},
		{Name: "url-idn-digits", What: "is 127.0.0.1 with the digits of another script", url: "http://\uff11\uff12\uff17.0.0.1:{port}/{name}"},
		{Name: "url-port-0", What: "has the port 0", url: "http://{host}:0/{name}"},
		{Name: "url-port-65536", What: "has the port 65536", url: "http://{host}:65536/{name}"},
	}
	for i := range cases {
		cases[i].group, cases[i].Outcome = addressCase, Refused
	}
	return cases
}
