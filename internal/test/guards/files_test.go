// SPDX-License-Identifier: MIT

package guards

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// authToken is a URL as wsgi-xsendfile's users make it.
func authToken(secret, path string, at time.Time) string {
	hextime := fmt.Sprintf("%08x", at.Unix())
	return fmt.Sprintf("/authtoken/%x-%s/%s", md5.Sum([]byte(secret+path+hextime)), hextime, rig.Escape(path))
}

func TestDownloads(t *testing.T) {
	r := kit.Start(t, kit.Downloads(t, kit.Documents(t)))
	for _, tt := range []struct {
		target, body, contentType, disposition string
	}{
		{"/open/report.pdf", "%PDF- a report", "application/pdf", `attachment; filename="report.pdf"`},
		{"/open/report.pdf?download=x&a=b", "%PDF- a report", "application/pdf", `attachment; filename="report.pdf"`},
		{"/x/..//open/sub/%6fk.txt", "ok", "text/plain", `attachment; filename="ok.txt"`},
		{"/open/page.html", "<script>1</script>", "text/html", `attachment; filename="page.html"`},
		{rig.Escape("/open/été à la plage/100% sûr?#.txt"), "beach", "text/plain", `attachment; filename="100_ s_r?#.txt"; filename*=UTF-8''100%25%20s%C3%BBr%3F%23.txt`},
		{kit.SignedFile("/signed/report.pdf", ""), "%PDF- a report", "application/pdf", `attachment; filename="report.pdf"`},
		{kit.SignedFile("/signed/report.pdf", "&download=a%20%22b%22%20%C3%A9+c.pdf"), "%PDF- a report", "application/pdf",
			`attachment; filename="a \"b\" _+c.pdf"; filename*=UTF-8''a%20%22b%22%20%C3%A9%2Bc.pdf`},
		{authToken("s3cr3t", "sub/ok.txt", time.Now()), "ok", "text/plain", `inline; filename="ok.txt"`},
	} {
		resp := kit.Get(t, r, tt.target)
		if resp.Status != 200 || string(resp.Body) != tt.body {
			t.Errorf("%s: %d %q", tt.target, resp.Status, resp.Body)
		}
		for name, want := range map[string]string{
			"Content-Type": tt.contentType, "Content-Disposition": tt.disposition, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
			"Accept-Ranges": "bytes", "Expires": "",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q; want %q", tt.target, name, got, want)
			}
		}
		if got := resp.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "; sandbox") {
			t.Errorf("%s: Content-Security-Policy: %q", tt.target, got)
		}
		head := kit.Do(t, r, rig.Request{Method: "HEAD", Target: tt.target})
		if head.Status != 200 || len(head.Body) != 0 || head.Header.Get("Content-Disposition") != tt.disposition {
			t.Errorf("HEAD %s: %d %v", tt.target, head.Status, head.Header)
		}
	}
	if resp := kit.Get(t, r, "/open/large.bin", "Range: bytes=999990-"); resp.Status != 206 || string(resp.Body) != "0123456789" {
		t.Errorf("Range: %d %d bytes", resp.Status, len(resp.Body))
	}
	etag := kit.Get(t, r, "/open/large.bin").Header.Get("Etag")
	if resp := kit.Get(t, r, "/open/large.bin", "If-None-Match: "+etag); resp.Status != 304 {
		t.Errorf("If-None-Match %s: %d", etag, resp.Status)
	}
	if resp := kit.Do(t, r, rig.Request{Method: "POST", Target: "/open/report.pdf", Body: "x"}); resp.Status != 405 {
		t.Errorf("POST: %d", resp.Status)
	}
	kit.Expect(t, kit.Get(t, r, authToken("s3cr3t", "report.pdf", time.Now().Add(-time.Hour))), 410, "expired")
	kit.Expect(t, kit.Get(t, r, authToken("s3cr3t", "none", time.Now())), 404, "no-file")
	kit.Expect(t, kit.Get(t, r, "/signed/report.pdf"), 401, "no-proof")
}

// attacks are requests for what must not be had. Some are signed, as if a
// signer had been tricked.
func attacks() []string {
	var all []string
	// Each as it is in every section, where it is allowed.
	for _, path := range []string{
		".htpasswd", ".git/config", "sub/.env", "sub/../.htpasswd", "out", "absolute", "up/secret", "up/root-too/x", "self/.htpasswd", "etc/passwd", "loop",
		"../secret", "../root-too/x", "sub/../../secret", "/../secret", "", "sub", "sub/", "fifo", "subs/.env", "subs/ok.txt", "link.pdf", "link.pdf/x", "report.pdf/", "report.pdf/../../secret", "%2e%2e/secret", "..;/secret", "..\\secret", "secret\x00.pdf",
	} {
		all = append(all, "/open/"+rig.Escape(path), kit.SignedFile("/signed/"+path, ""), authToken("s3cr3t", path, time.Now()))
	}
	for _, raw := range []string{
		"..%2fsecret", "..%2Fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "%252e%252e%252fsecret", "..%5csecret", "..%c0%afsecret", "%c0%ae%c0%ae/secret", "....//secret", "..//secret",
		"./../secret", "sub/%2e%2e/%2e%2e/secret", ".%68tpasswd", "%2ehtpasswd", "sub//.env", "sub/.//.env", "sub%2f.env", ".git%2Fconfig", "up%2fsecret", "etc%2fpasswd",
		"%2fetc/passwd", "//etc/passwd", "file:///etc/passwd", "report.pdf%00.htpasswd", ".htpasswd%00.pdf", ".htpasswd?x=.pdf", ".htpasswd#.pdf", ".htpasswd/", ".htpasswd%20", ".htpasswd.",
		"report.pdf/../.htpasswd", "nul\r\nX-Accel-Redirect:%20/_open/.htpasswd", "%0d%0aX-Accel-Redirect:%20/_open/.htpasswd",
	} {
		all = append(all, "/open/"+raw, "/x/../open/"+raw)
	}
	all = append(all,
		// What is nobody's to ask for.
		"/_open/report.pdf", "/_open/.htpasswd", "/_signed/report.pdf", "/_open/../_open/report.pdf", "/%5fopen/report.pdf", "//_open/report.pdf", "/_open../secret", "/_open%2e%2e/secret", "/_openx/report.pdf",
		"/open../secret", "/open..%2fsecret", "/_thumbd/none", "/_thumbd/auth", "/signed/report.pdf#"+kit.SignedFile("/signed/report.pdf", "")[len("/signed/report.pdf"):],
		// Not signed, or not so.
		"/signed/report.pdf", "/signed/report.pdf?", "/signed/report.pdf?download=x", "/signed/report.pdf"+kit.Proof("another-key-0123456789abcdef0123", "file", "/signed/report.pdf", kit.Expires(time.Hour)),
		"/signed/report.pdf"+kit.Proof(kit.AccessKey, "access", "/signed/report.pdf", kit.Expires(time.Hour)), "/signed/report.pdf"+kit.Proof(kit.FilesKey, "access", "/signed/report.pdf", kit.Expires(time.Hour)),
		"/signed/report.pdf"+kit.Proof(kit.FilesKey, "file", "/signed/page.html", kit.Expires(time.Hour)), "/signed/report.pdf"+kit.Proof(kit.FilesKey, "file", "/open/report.pdf", kit.Expires(time.Hour)),
		"/signed/report.pdf"+kit.Proof(kit.FilesKey, "file", "/signed/report.pdf", kit.Expires(-time.Second)), "/signed/report.pdf"+kit.Proof(kit.FilesKey, "file", "/signed/report.pdf", kit.Expires(time.Hour)+"&download=a%0D%0AX-Accel-Redirect:%20/_open/.htpasswd"),
		"/signed/report.pdf"+kit.Proof(kit.FilesKey, "file", "/signed/report.pdf", kit.Expires(time.Hour)+"&v=1"), "/signed/report.pdf"+kit.Proof("", "file", "/signed/report.pdf", kit.Expires(time.Hour)),
		"/signed/../signed/page.html"+kit.Proof(kit.FilesKey, "file", "/signed/report.pdf", kit.Expires(time.Hour)), "/signed/page.html#/../report.pdf"+kit.Proof(kit.FilesKey, "file", "/signed/report.pdf", kit.Expires(time.Hour)),
		authToken("another", "report.pdf", time.Now()), authToken("", "report.pdf", time.Now()), authToken("s3cr3t", "report.pdf", time.Now().Add(-3*time.Minute)), authToken("s3cr3t", "report.pdf", time.Unix(0, 0)),
		authToken("s3cr3t", "page.html", time.Now())+"/../report.pdf", strings.ToUpper(authToken("s3cr3t", "report.pdf", time.Now())[1:]), strings.Replace(authToken("s3cr3t", "page.html", time.Now()), "page.html", "report.pdf", 1),
		"/authtoken/report.pdf", "/authtoken/-/report.pdf", "/authtoken/00000000000000000000000000000000-ffffffff/report.pdf",
	)
	return all
}

func TestAttacksOnDownloads(t *testing.T) {
	root := kit.Documents(t)
	r := kit.Start(t, kit.Downloads(t, root))
	kit.Expect(t, kit.Get(t, r, kit.SignedFile("/signed/report.pdf", "")), 200, "")
	all := attacks()
	for _, target := range all {
		if strings.ContainsAny(target, "\r\n\x00") {
			target = rig.Escape(target)
		}
		for _, q := range []rig.Request{
			{Target: target},
			{Target: target, Header: []string{"Range: bytes=0-3", "X-Accel-Redirect: /_open/.htpasswd", "X-Sendfile: /etc/passwd", "X-Original-URI: /open/report.pdf"}},
			{Target: target, Method: "HEAD"},
		} {
			resp := kit.Do(t, r, q)
			if resp.Status < 400 || bytes.Contains(resp.Body, []byte(kit.TopSecret)) || bytes.Contains(resp.Body, []byte("root:")) || resp.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s %s: %d %q", q.Method, target, resp.Status, resp.Body)
			}
			if resp.Status >= 500 || bytes.Contains(resp.Body, []byte(root)) {
				t.Errorf("%s %s: %d %q tells of the machine", q.Method, target, resp.Status, resp.Body)
			}
			if strings.HasPrefix(target, "/open/") && resp.Status != 404 && resp.Status != 400 {
				t.Errorf("%s %s: %d tells more than that there is nothing", q.Method, target, resp.Status)
			}
			for name, values := range resp.Header {
				if strings.Contains(strings.Join(values, " "), "_open") {
					t.Errorf("%s %s: %s: %s", q.Method, target, name, values)
				}
			}
		}
	}
	if len(all) < 40 {
		t.Errorf("%d attacks", len(all))
	}
}

// A link that takes a file's place after thumbd has looked is stopped by nginx.
func TestLinkInPlaceOfAFile(t *testing.T) {
	root := kit.Documents(t)
	o := kit.Downloads(t, root)
	o.Server += "\nlocation ^~ /later/ { error_page 418 = /_open/$arg_file; return 418; }"
	r := kit.Start(t, o)
	if resp := kit.Get(t, r, "/later/?file=report.pdf"); resp.Status != 200 {
		t.Fatalf("a file: %d", resp.Status)
	}
	for _, name := range []string{"out", "absolute", "up/secret", "etc/passwd", "link.pdf", "subs/ok.txt"} {
		if resp := kit.Get(t, r, "/later/?file="+name); resp.Status != 403 && resp.Status != 404 {
			t.Errorf("%s: %d %.40q", name, resp.Status, resp.Body)
		}
	}
}
