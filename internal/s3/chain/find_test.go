// SPDX-License-Identifier: MIT

package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var errElsewhere = errors.New("a test would have dialed this")

// elsewhere are the addresses that the test has tried to reach, beside loopback. None was
// dialed.
var elsewhere struct {
	sync.Mutex
	list []string
}

// No test of this package dials an address that is not loopback.
func TestMain(m *testing.M) {
	dialing = func(address string) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil && at.Addr().IsLoopback() {
			return nil
		}
		elsewhere.Lock()
		defer elsewhere.Unlock()
		elsewhere.list = append(elsewhere.list, address)
		return errElsewhere
	}
	// Nor asks for a name.
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(_ context.Context, _, address string) (net.Conn, error) { return nil, dialing(address) }}
	os.Exit(m.Run())
}

// tried returns and forgets the addresses elsewhere.
func tried() []string {
	elsewhere.Lock()
	defer elsewhere.Unlock()
	list := elsewhere.list
	elsewhere.list = nil
	return list
}

// place is the environment of one test: no variables of AWS, and an empty home.
type place struct {
	*testing.T
	dir string
}

func newPlace(t *testing.T) place {
	t.Helper()
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // An empty variable counts as none.
		}
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Cleanup(func() {
		if list := tried(); len(list) > 0 {
			t.Errorf("%q were to be dialed", list)
		}
	})
	return place{t, dir}
}

// file writes a file and returns its path.
func (p place) file(name, text string) string {
	p.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	return path
}

// config sets the file of profiles.
func (p place) config(text string) {
	p.Helper()
	p.Setenv("AWS_CONFIG_FILE", p.file("config", text))
}

// serve serves on loopback and returns the URL.
func (p place) serve(h http.HandlerFunc) string {
	p.Helper()
	s := httptest.NewServer(h)
	p.Cleanup(s.Close)
	return s.URL
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// find looks the keys up once.
func (p place) find(o Options) (access, secret, token string, err error) {
	p.Helper()
	c := New(o)
	defer c.Close()
	keys, err := c.Keys(p.Context())
	return keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken, err
}

// stsServer answers as STS. check returns an error for a request that is not as it should be.
func stsServer(check func(r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err == nil {
			err = check(r)
			if err != nil {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>%s hush-hush</Message></Error></ErrorResponse>`, err)
				return
			}
		}
		action := r.Form.Get("Action")
		fmt.Fprintf(w, `<%sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials>
			<AccessKeyId>role-access</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>
			<Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/a/b</Arn><AssumedRoleId>a:b</AssumedRoleId></AssumedRoleUser>
			</%[1]sResult></%[1]sResponse>`, action, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}
}

// asks checks the fields of a request to STS and the key that signed it.
func asks(action, key string, fields ...string) func(*http.Request) error {
	return func(r *http.Request) error {
		auth := r.Header.Get("Authorization")
		if r.Form.Get("Action") != action || key != "" && !strings.Contains(auth, "Credential="+key+"/") || key == "" && auth != "" {
			return fmt.Errorf("%s by %q", r.Form.Get("Action"), auth)
		}
		for i := 0; i < len(fields); i += 2 {
			if got := r.Form.Get(fields[i]); got != fields[i+1] {
				return fmt.Errorf("%s is %q", fields[i], got)
			}
		}
		return nil
	}
}

// answerJSON is the answer of instances and containers.
func answerJSON(w io.Writer, name string) {
	fmt.Fprintf(w, `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"%s-access","SecretAccessKey":"%[1]s-secret","Token":"%[1]s-token","Expiration":%q}`,
		name, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// instance answers as the metadata of an instance, version 2.
func instance(w http.ResponseWriter, r *http.Request) {
	const roles = "/latest/meta-data/iam/security-credentials/"
	switch {
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(w, "session")
	case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "session":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == roles:
		fmt.Fprint(w, "thumbd-role")
	case r.URL.Path == roles+"thumbd-role":
		answerJSON(w, "instance")
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// container answers as the agent of a container does, to the one with the token.
func container(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "container-auth" || r.URL.Path != "/keys" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"Unauthorized","message":"hush-hush"}`)
		return
	}
	answerJSON(w, "container")
}

const profiles = `[default]
aws_access_key_id = default-access
aws_secret_access_key = default-secret
[profile media]
aws_access_key_id = media-access
aws_secret_access_key = media-secret
aws_session_token = media-token
[profile reader]
role_arn = arn:aws:iam::1:role/reader
source_profile = media
external_id = 42
[profile web]
role_arn = arn:aws:iam::1:role/web
web_identity_token_file = %s
[profile box]
role_arn = arn:aws:iam::1:role/box
credential_source = EcsContainer
`

// providersOf sets each provider up, and tells the keys that it gives.
var providersOf = []struct {
	name, profile, want string
	set                 func(place)
}{
	{"environment", "", "env-access env-secret env-token", func(p place) {
		p.config(fmt.Sprintf(profiles, "none"))
		p.Setenv("AWS_ACCESS_KEY_ID", "env-access")
		p.Setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
		p.Setenv("AWS_SESSION_TOKEN", "env-token")
	}},
	{"default profile", "", "default-access default-secret ", func(p place) { p.config(fmt.Sprintf(profiles, "none")) }},
	{"profile", "media", "media-access media-secret media-token", func(p place) {
		p.config(fmt.Sprintf(profiles, "none"))
		// A profile that is named comes before the environment.
		p.Setenv("AWS_ACCESS_KEY_ID", "env-access")
		p.Setenv("AWS_SECRET_ACCESS_KEY", "env-secret")
	}},
	{"AWS_PROFILE", "", "media-access media-secret media-token", func(p place) {
		p.config(fmt.Sprintf(profiles, "none"))
		p.Setenv("AWS_PROFILE", "media")
	}},
	{"file of credentials", "", "file-access file-secret ", func(p place) {
		p.Setenv("AWS_SHARED_CREDENTIALS_FILE", p.file("credentials", "[default]\naws_access_key_id = file-access\naws_secret_access_key = file-secret\n"))
	}},
	{"role", "reader", "role-access role-secret role-token", func(p place) {
		p.config(fmt.Sprintf(profiles, "none"))
		p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(stsServer(asks("AssumeRole", "media-access", "RoleArn", "arn:aws:iam::1:role/reader", "ExternalId", "42"))))
	}},
	{"web identity", "", "role-access role-secret role-token", func(p place) {
		p.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", p.file("token", "identity"))
		p.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web")
		p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(stsServer(asks("AssumeRoleWithWebIdentity", "", "RoleArn", "arn:aws:iam::1:role/web", "WebIdentityToken", "identity"))))
	}},
	{"web identity of a profile", "web", "role-access role-secret role-token", func(p place) {
		p.config(fmt.Sprintf(profiles, p.file("token", "identity")))
		p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(stsServer(asks("AssumeRoleWithWebIdentity", "", "WebIdentityToken", "identity"))))
	}},
	{"container", "", "container-access container-secret container-token", func(p place) {
		p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", p.serve(container)+"/keys")
		p.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-auth")
	}},
	{"container with a file", "", "container-access container-secret container-token", func(p place) {
		p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", p.serve(container)+"/keys")
		p.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", p.file("auth", "container-auth"))
	}},
	{"role of a container", "box", "role-access role-secret role-token", func(p place) {
		p.config(fmt.Sprintf(profiles, "none"))
		p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", p.serve(container)+"/keys")
		p.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-auth")
		p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(stsServer(asks("AssumeRole", "container-access"))))
	}},
	{"instance", "", "instance-access instance-secret instance-token", func(p place) {
		p.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", p.serve(instance))
	}},
}

func TestProviders(t *testing.T) {
	for _, test := range providersOf {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			test.set(p)
			access, secret, token, err := p.find(Options{Profile: test.profile, Region: "eu-test-1", AllowAddresses: loopback})
			if got := access + " " + secret + " " + token; got != test.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// Each provider that is asked over the network is asked through the guard: on loopback it
// is refused unless the site allows it.
func TestProvidersAreGuarded(t *testing.T) {
	for _, test := range providersOf {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t)
			test.set(p)
			access, _, _, err := p.find(Options{Profile: test.profile, Region: "eu-test-1"})
			asked := strings.HasPrefix(test.want, "role-") || strings.HasPrefix(test.want, "container-") || strings.HasPrefix(test.want, "instance-")
			if refused := err != nil && strings.Contains(err.Error(), "127.0.0.1 is a special address, and not in allow_addresses"); refused != asked || (access == "") != asked {
				t.Errorf("got %q, %v; refused: want %v", access, err, asked)
			}
		})
	}
}

// A private address is refused, wherever it is named.
func TestPrivateAddressesAreRefused(t *testing.T) {
	for variable, set := range map[string]func(place){
		"AWS_ENDPOINT_URL_STS": func(p place) {
			p.config(fmt.Sprintf(profiles, "none"))
			p.Setenv("AWS_PROFILE", "reader")
		},
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": func(place) {},
	} {
		t.Run(variable, func(t *testing.T) {
			p := newPlace(t)
			set(p)
			for _, address := range []string{"10.1.2.3", "192.168.0.1", "169.254.169.253", "[fd00:ec2::253]"} {
				p.Setenv(variable, "http://"+address)
				_, _, _, err := p.find(Options{AllowAddresses: loopback, Region: "eu-test-1"})
				if err == nil || !strings.Contains(err.Error(), strings.Trim(address, "[]")+" is a special address") {
					t.Errorf("%s of %s: got %v, want that it is refused", variable, address, err)
				}
			}
		})
	}
}

// The addresses of instances and containers are let through without an exception.
func TestAddressesOfProviders(t *testing.T) {
	for want, set := range map[string]func(place){
		"169.254.169.254:80": func(place) {},
		"[fd00:ec2::254]:80": func(p place) { p.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6") },
		"169.254.170.2:80":   func(p place) { p.Setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/keys") },
		"169.254.170.23:80":  func(p place) { p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials") },
		"[fd00:ec2::23]:80":  func(p place) { p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[fd00:ec2::23]/v1/credentials") },
	} {
		t.Run(want, func(t *testing.T) {
			p := newPlace(t)
			set(p)
			_, _, _, err := p.find(Options{Region: "eu-test-1"})
			list := tried()
			if len(list) == 0 || list[0] != want || err == nil || !strings.Contains(err.Error(), errElsewhere.Error()) {
				t.Errorf("%q were to be dialed, %v; want %s", list, err, want)
			}
		})
	}
}

// A proxy would dial for thumbd, past the guard.
func TestNoProxy(t *testing.T) {
	if newClient(nil).GetTransport().Proxy != nil {
		t.Error("the client has a proxy")
	}
}

// The error names the provider and the cure, and quotes no answer and no key.
func TestErrors(t *testing.T) {
	says := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }
	}
	// metadata is an instance whose role is "r" and whose keys are an answer.
	metadata := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPut:
				instance(w, r)
			case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
				fmt.Fprint(w, "r")
			default:
				fmt.Fprint(w, answer)
			}
		}
	}
	deny := func(*http.Request) error { return errors.New("no") }
	for name, test := range map[string]struct {
		profile string
		set     func(place)
		want    []string
	}{
		"role refused": {"reader", func(p place) {
			p.config(fmt.Sprintf(profiles, "none"))
			p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(stsServer(deny)))
		}, []string{"role_arn of profile reader", "status 403 AccessDenied", "the role's trust"}},
		"web identity refused": {"", func(p place) {
			p.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", p.file("token", "identity-hush-hush"))
			p.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web")
			p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(stsServer(deny)))
		}, []string{"the web identity", "status 403 AccessDenied", "AWS_WEB_IDENTITY_TOKEN_FILE"}},
		"role without keys": {"reader", func(p place) {
			p.config(fmt.Sprintf(profiles, "none"))
			p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(says(`<AssumeRoleResponse><AssumeRoleResult><Credentials></Credentials></AssumeRoleResult></AssumeRoleResponse>`)))
		}, []string{"role_arn of profile reader", "it has none"}},
		"a web page for a role": {"reader", func(p place) {
			p.config(fmt.Sprintf(profiles, "none"))
			p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(says("ok")))
		}, []string{"role_arn of profile reader"}},
		"web identity without keys": {"", func(p place) {
			p.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", p.file("token", "identity-hush-hush"))
			p.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web")
			p.Setenv("AWS_ENDPOINT_URL_STS", p.serve(says("")))
		}, []string{"the web identity", "it has none"}},
		"instance that fails": {"", func(p place) {
			p.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", p.serve(metadata(`{"Code":"Failed","Message":"hush-hush"}`)))
		}, []string{"the instance", "refused Failed"}},
		"instance with an odd time": {"", func(p place) {
			p.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", p.serve(metadata(`{"Code":"Success","AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"hush-hush"}`)))
		}, []string{"the instance", "an answer that can't be read"}},
		"container with an odd time": {"", func(p place) {
			p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", p.serve(says(`{"AccessKeyId":"a","SecretAccessKey":"b","Token":"c","Expiration":"hush-hush"}`)))
		}, []string{"the container", "an answer that can't be read"}},
		"no token": {"", func(p place) {
			p.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token")
			p.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web")
		}, []string{"the web identity", "/nowhere/token", "no such file"}},
		"container refused": {"", func(p place) {
			p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", p.serve(container)+"/keys")
			p.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush-hush")
		}, []string{"the container", "status 401 Unauthorized", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}},
		"container's answer": {"", func(p place) {
			p.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", p.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"AccessKeyId":"hush-hush`) }))
		}, []string{"the container"}},
		"instance without a role": {"", func(p place) {
			p.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", p.serve(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPut {
					instance(w, r)
					return
				}
				http.Error(w, "hush-hush", http.StatusNotFound)
			}))
		}, []string{"the instance", "status 404", "give the instance a role"}},
		"no instance": {"", func(p place) { p.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1") },
			[]string{"the instance", "127.0.0.1:1", "refused", "AWS_CONFIG_FILE"}},
		"nothing": {"", func(p place) { p.Setenv("AWS_EC2_METADATA_DISABLED", "true") },
			[]string{"the instance", "AWS_EC2_METADATA_DISABLED"}},
		"no profile": {"gone", func(p place) { p.config(fmt.Sprintf(profiles, "none")) },
			[]string{"profile gone", "there is no such profile", "AWS_CONFIG_FILE"}},
		"source without keys": {"a", func(p place) {
			p.config("[profile a]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = b\n[profile b]\n")
		},
			[]string{"profile a"}},
		"mfa": {"m", func(p place) {
			p.config("[profile m]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = b\nmfa_serial = 1\n[profile b]\naws_access_key_id = a\naws_secret_access_key = hush-hush\n")
		}, []string{"profile m", "mfa_serial"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			test.set(p)
			_, _, _, err := p.find(Options{Profile: test.profile, Region: "eu-test-1", AllowAddresses: loopback})
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it with %q", err, want)
				}
			}
			for _, secret := range []string{"hush-hush", "media-secret", "\n"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in the text: %v", secret, err)
				}
			}
		})
	}
}

// A profile's program is not started, not even for the source of a role.
func TestNoProcess(t *testing.T) {
	p := newPlace(t)
	ran := filepath.Join(p.dir, "ran")
	p.config("[profile run]\ncredential_process = touch " + ran + "\n[profile role]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = run\n")
	for _, profile := range []string{"run", "role"} {
		_, _, _, err := p.find(Options{Profile: profile, Region: "eu-test-1"})
		if err == nil || !strings.Contains(err.Error(), "credential_process") {
			t.Errorf("%s: got %v", profile, err)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("it was started")
	}
}
