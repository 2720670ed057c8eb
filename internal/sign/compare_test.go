// SPDX-License-Identifier: MIT

package sign_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// secretNames are parts of the names of what must be compared in constant time.
var secretNames = []string{"signature", "digest", "token", "secret", "proof", "hmac", "mac"}

// TestOneComparison holds that signatures are compared in one function, by
// crypto/hmac.Equal, and finds any other place in the module that does.
func TestOneComparison(t *testing.T) {
	const root = "../.."
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "build") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		for _, x := range comparisons(t, path, nil) {
			if x.function == "equal" && x.what == "hmac.Equal" && path == filepath.Join(root, "internal/sign/sign.go") {
				found++
				continue
			}
			t.Errorf("%s: %s in %s: compare in internal/sign's equal alone", x.at, x.what, x.function)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != 1 {
		t.Errorf("hmac.Equal is %d times in internal/sign's equal", found)
	}
}

// TestComparisonsAreFound holds that the test above can fail.
func TestComparisonsAreFound(t *testing.T) {
	const source = `package x
func f(a, b []byte, signature, x string) bool {
	return subtle.ConstantTimeCompare(a, b) == 1 || hmac.Equal(a, b) || signature == x || bytes.Equal(tokenOf(x), b) ||
		strings.EqualFold(x, t.Digest) || slices.Equal(secret, a) || x != q.Proof(x) || a == nil || signature == ""
}`
	var got []string
	for _, x := range comparisons(t, "x.go", source) {
		got = append(got, x.what)
	}
	const want = "subtle.ConstantTimeCompare hmac.Equal == bytes.Equal strings.EqualFold slices.Equal !="
	if strings.Join(got, " ") != want {
		t.Errorf("found %q; want %q", got, want)
	}
}

type comparison struct {
	at             token.Position
	function, what string
}

func comparisons(t *testing.T, path string, source any) []comparison {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []comparison
	for _, decl := range f.Decls {
		function := ""
		if d, ok := decl.(*ast.FuncDecl); ok {
			function = d.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if what := compared(n); what != "" {
				all = append(all, comparison{files.Position(n.Pos()), function, what})
			}
			return true
		})
	}
	return all
}

// compared returns how n compares something secret, "" if it does not.
func compared(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := text(n.Fun)
		switch name {
		case "hmac.Equal", "subtle.ConstantTimeCompare":
			return name
		case "bytes.Equal", "bytes.Compare", "strings.EqualFold", "strings.Compare", "slices.Equal", "reflect.DeepEqual", "cmp.Compare":
			for _, a := range n.Args {
				if secret(a) {
					return name
				}
			}
		}
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && !public(n.X) && !public(n.Y) && (secret(n.X) || secret(n.Y)) {
			return n.Op.String()
		}
	}
	return ""
}

// public reports whether e is known without a key: a literal, nil, a length, or
// a name of this program's own, as in an enumeration.
func public(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		return text(e) == "len("
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "nil" || ast.IsExported(e.Name)
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return ok && strings.ToLower(pkg.Name) == pkg.Name && len(pkg.Name) > 2 && ast.IsExported(e.Sel.Name) && enumerations[pkg.Name]
	}
	return false
}

// enumerations are the packages whose exported names are no secrets.
var enumerations = map[string]bool{"thumb": true, "files": true, "access": true, "sign": true, "http": true}

// secret reports whether e is named like something secret.
func secret(e ast.Expr) bool {
	name := strings.ToLower(text(e))
	for _, s := range secretNames {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return text(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return text(e.Fun) + "("
	case *ast.IndexExpr:
		return text(e.X)
	case *ast.StarExpr:
		return text(e.X)
	}
	return ""
}
