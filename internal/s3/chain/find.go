// SPDX-License-Identifier: MIT

package chain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
)

// providers are the addresses that give the keys of an instance (the first two) and of a
// container, of ECS and of EKS.
var providers = []netip.Prefix{
	netip.MustParsePrefix("169.254.169.254/32"), netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("169.254.170.2/32"), netip.MustParsePrefix("169.254.170.23/32"), netip.MustParsePrefix("fd00:ec2::23/128"),
}

// newClient returns a client that dials no special address but the ones of providers and
// the exceptions. It uses no proxy: the guard would see the proxy's address alone.
func newClient(exceptions []netip.Prefix) *awshttp.BuildableClient {
	guard := fetch.Control(slices.Concat(providers, exceptions))
	return awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) {
		d.Control = func(network, address string, c syscall.RawConn) error {
			err := guard(network, address, c)
			if err == nil && dialing != nil {
				err = dialing(address)
			}
			return err
		}
	}).WithTransportOptions(func(t *http.Transport) {
		t.Proxy = nil
		// The next look-up is minutes away, and the SDK makes transports of its own.
		t.DisableKeepAlives = true
	}).WithTimeout(lookTime)
}

// dialing is called before an address is dialed that the guard lets through, in tests.
var dialing func(address string) error

// errNone means that a provider has given no keys.
var errNone = errors.New("it has none")

// finder looks keys up.
type finder struct {
	options Options
	client  *awshttp.BuildableClient
}

// find looks the keys up once: it reads the environment and the files of profiles anew.
func (f *finder) find(ctx context.Context) (aws.Credentials, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(f.client),
		// Container credentials have a client of their own.
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = f.client }),
		// Each is called twice, first without a client.
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if o.Client != nil {
				o.Client = roles{o.Client}
			}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if o.Client != nil {
				o.Client = webRoles{o.Client}
			}
		}),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithLogger(logging.Nop{}),
		config.WithDefaultRegion(f.options.Region),
		// "auto" would ask the instance where it is.
		config.WithDefaultsMode(aws.DefaultsModeStandard),
	}
	if f.options.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(f.options.Profile))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return aws.Credentials{}, f.explain(ctx, nil, err)
	}
	sources := sourcesOf(c.Credentials)
	if slices.Contains(sources, aws.CredentialSourceProcess) {
		return aws.Credentials{}, f.explain(ctx, sources, errors.New("thumbd starts no credential_process"))
	}
	keys, err := c.Credentials.Retrieve(ctx)
	if err == nil && (keys.AccessKeyID == "" || keys.SecretAccessKey == "") {
		err = errNone
	}
	if err != nil {
		return aws.Credentials{}, f.explain(ctx, sources, err)
	}
	return keys, nil
}

// roles and webRoles are clients of STS. An answer without all of the keys is an error: the
// SDK's providers would read through a nil pointer, in a goroutine of the SDK's own.
type (
	roles    struct{ stscreds.AssumeRoleAPIClient }
	webRoles struct {
		stscreds.AssumeRoleWithWebIdentityAPIClient
	}
)

func (r roles) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, how ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	out, err := r.AssumeRoleAPIClient.AssumeRole(ctx, in, how...)
	if err == nil {
		err = complete(out.Credentials)
	}
	return out, err
}

func (r webRoles) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, how ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	out, err := r.AssumeRoleWithWebIdentityAPIClient.AssumeRoleWithWebIdentity(ctx, in, how...)
	if err == nil {
		err = complete(out.Credentials)
	}
	return out, err
}

func complete(c *types.Credentials) error {
	if c == nil || c.AccessKeyId == nil || c.SecretAccessKey == nil || c.SessionToken == nil || c.Expiration == nil {
		return errNone
	}
	return nil
}

func sourcesOf(p aws.CredentialsProvider) []aws.CredentialSource {
	if s, ok := p.(aws.CredentialProviderSource); ok {
		return s.ProviderSources()
	}
	return nil
}

// provider is what administrators call a provider, and how they mend it. PROFILE stands
// for the profile's name.
type provider struct {
	sources    []aws.CredentialSource
	name, cure string
}

const noLogin = "use a role: nobody is there to log in"

// named are the providers of the chain. If keys are made in several steps, the last one
// fails most, so the first row that fits counts.
var named = []provider{
	{[]aws.CredentialSource{aws.CredentialSourceProcess}, "credential_process of profile PROFILE", "have another program write the keys into the profile's file"},
	{[]aws.CredentialSource{aws.CredentialSourceSTSAssumeRole, aws.CredentialSourceProfileSourceProfile, aws.CredentialSourceProfileNamedProvider},
		"role_arn of profile PROFILE", "see its source_profile or credential_source, and the role's trust"},
	{[]aws.CredentialSource{aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken, aws.CredentialSourceSTSAssumeRoleWebID},
		"the web identity", "see AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or the profile's web_identity_token_file, and the role's trust"},
	{[]aws.CredentialSource{aws.CredentialSourceHTTP}, "the container", "see AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI, and the task's role"},
	{[]aws.CredentialSource{aws.CredentialSourceEnvVars}, "the environment", "see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
	{[]aws.CredentialSource{aws.CredentialSourceIMDS}, "the instance", "give the instance a role; elsewhere, set AWS_ACCESS_KEY_ID, AWS_CONFIG_FILE or others in the environment of thumbd.service"},
	{[]aws.CredentialSource{aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy}, "sso of profile PROFILE", noLogin},
	{[]aws.CredentialSource{aws.CredentialSourceLogin}, "the login of profile PROFILE", noLogin},
	{[]aws.CredentialSource{aws.CredentialSourceProfile}, "profile PROFILE", "see its aws_access_key_id and aws_secret_access_key"},
}

// unnamed counts if the chain has not come to a provider.
var unnamed = provider{nil, "profile PROFILE", "see AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE and AWS_PROFILE in the environment of thumbd.service"}

// explain returns the error for the log: the provider, the cause and the cure. It quotes
// no answer, as an answer may have a secret.
func (f *finder) explain(ctx context.Context, sources []aws.CredentialSource, err error) error {
	from := unnamed
	for _, p := range slices.Backward(named) {
		if slices.ContainsFunc(p.sources, func(one aws.CredentialSource) bool { return slices.Contains(sources, one) }) {
			from = p
		}
	}
	profile := f.options.Profile
	if profile == "" {
		profile = os.Getenv("AWS_PROFILE")
	}
	if profile == "" {
		profile = "default"
	}
	name := strings.ReplaceAll(from.name, "PROFILE", profile)
	return fmt.Errorf(`credentials = "aws": %s gives no keys: %s; %s`, name, f.cause(ctx, err), from.cure)
}

// cause returns the text of an error without that of an answer.
func (f *finder) cause(ctx context.Context, err error) string {
	var (
		api      smithy.APIError
		status   interface{ HTTPStatusCode() int }
		op       *net.OpError
		path     *fs.PathError
		bad      *smithy.DeserializationError
		badTime  *time.ParseError
		profile  config.SharedConfigProfileNotExistError
		assuming config.SharedConfigAssumeRoleError
		mfa      config.AssumeRoleTokenProviderNotSetError
	)
	switch {
	case errors.Is(err, originals.ErrForbidden) && errors.As(err, &op):
		return op.Err.Error()
	case ctx.Err() != nil:
		return context.Cause(ctx).Error()
	case fetch.HasNoNetwork(err) && errors.As(err, &op):
		return op.Error() + "; " + fetch.NoNetwork
	case errors.As(err, &op):
		return op.Error()
	case errors.As(err, &path):
		return path.Error()
	case errors.As(err, &api) && errors.As(err, &status):
		return strings.TrimSpace(fmt.Sprintf("status %d %s", status.HTTPStatusCode(), fetch.Word(api.ErrorCode())))
	case errors.As(err, &status):
		return fmt.Sprintf("status %d", status.HTTPStatusCode())
	case errors.As(err, &api):
		return strings.TrimSpace("refused " + fetch.Word(api.ErrorCode()))
	case errors.As(err, &bad), errors.As(err, &badTime):
		return "an answer that can't be read"
	case errors.As(err, &profile):
		return "there is no such profile"
	case errors.As(err, &assuming):
		return fmt.Sprintf("the source of role %s has no keys", assuming.RoleARN)
	case errors.As(err, &mfa):
		return "mfa_serial asks for a code, and nobody is there to type it"
	case errors.Is(err, errNone):
		return errNone.Error()
	}
	return oneLine(strings.TrimPrefix(err.Error(), "failed to refresh cached credentials, "))
}

// oneLine returns the beginning of a text, without control characters.
func oneLine(s string) string { return fmt.Sprintf("%.300s", strings.Join(strings.Fields(s), " ")) }
