// SPDX-License-Identifier: MIT

package wordpress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
)

// home is the site's own URL.
const home = "http://blog.example"

// site is a WordPress with a database and a PHP of its own, all of which end with
// the test.
type site struct {
	dir  string // of the database, the sockets and WordPress itself
	root string // of WordPress: dir/wordpress
}

// attachment is what WordPress knows of an upload.
type attachment struct {
	File   string          `json:"file"` // below the folder of uploads: 2024/05/a.jpg
	Width  int             `json:"width"`
	Height int             `json:"height"`
	Sizes  map[string]size `json:"sizes"`
}

// size is a registered size of an upload. Its file is beside the upload's, if any.
type size struct {
	File   string `json:"file"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// post is a post with the pictures that were uploaded for it.
type post struct {
	ID      int                   `json:"post"`
	Uploads map[string]attachment `json:"uploads"`
}

// newSite installs WordPress, and starts it.
func newSite(t *testing.T) site {
	t.Helper()
	from := os.Getenv("THUMBD_WORDPRESS")
	if from == "" {
		aid.Skip(t, "THUMBD_WORDPRESS names no unpacked WordPress; make check-cms does")
	}
	dir := kit.Folder(t, nil)
	s := site{dir, filepath.Join(dir, "wordpress")}
	// Some of its files are links that lead to packages which a page does not need.
	kit.Run(t, "cp", "-a", filepath.Join(from, "usr/share/wordpress"), s.root)
	s.copy(t, "testdata/wp-config.php", "wp-config.php")
	s.copy(t, "testdata/sizes.php", "wp-content/mu-plugins/sizes.php")
	aid.Must(t, os.MkdirAll(s.uploads(), 0o755))
	s.startDatabase(t)
	s.php(t, "testdata/install.php", s.root, home)
	kit.Background(t, exec.Command("php-cgi", "-b", s.dir+"/php.sock"))
	awaitSocket(t, s.dir+"/php.sock")
	// PHP has no option for it: nginx's workers are another user.
	aid.Must(t, os.Chmod(s.dir+"/php.sock", 0o666))
	return s
}

func (s site) uploads() string { return filepath.Join(s.root, "wp-content/uploads") }

// copy copies a file to a path below WordPress' folder.
func (s site) copy(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	aid.Must(t, err)
	kit.Put(t, filepath.Join(s.root, to), b)
}

// startDatabase makes a database with the tables of MariaDB itself, and starts it on
// a socket alone.
func (s site) startDatabase(t *testing.T) {
	t.Helper()
	me, err := user.Current()
	aid.Must(t, err)
	options := []string{
		"--no-defaults", "--user=" + me.Username, "--datadir=" + s.dir + "/data", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M",
		"--innodb-flush-log-at-trx-commit=0",
	}
	aid.Must(t, os.Mkdir(s.dir+"/data", 0o755), os.Mkdir(s.dir+"/data/mysql", 0o755))
	tables := bytes.NewBufferString("use mysql;\n")
	for _, name := range []string{"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"} {
		b, err := os.ReadFile(filepath.Join("/usr/share/mysql", name))
		aid.Must(t, err)
		tables.Write(b)
	}
	tables.WriteString("\ncreate database wp;\n")
	boot := exec.CommandContext(t.Context(), "mariadbd", append(options, "--bootstrap")...)
	boot.Stdin = tables
	if out, err := boot.CombinedOutput(); err != nil {
		t.Fatalf("mariadbd: %v\n%s", err, out)
	}
	kit.Background(t, exec.Command("mariadbd", append(options, "--skip-networking", "--skip-grant-tables", "--socket="+s.dir+"/db.sock")...))
	awaitSocket(t, s.dir+"/db.sock")
}

// awaitSocket returns when a program listens on a socket.
func awaitSocket(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(aid.Patience); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// php runs a program with WordPress loaded, and returns its output.
func (s site) php(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "php", append([]string{"-d", "error_reporting=0"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("php %q: %v\n%s%s", args, err, out, &stderr)
	}
	return out
}

// post uploads pictures and shows them in a post, in all sizes.
func (s site) post(t *testing.T, pictures ...string) post {
	t.Helper()
	out := s.php(t, append([]string{"testdata/post.php", s.root}, pictures...)...)
	var p post
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

// decoded returns a picture and the name of its format.
func decoded(data []byte) (image.Image, string, error) {
	m, format, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, "", fmt.Errorf("%d bytes: %w", len(data), err)
	}
	return m, format, nil
}
