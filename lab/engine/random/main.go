// The real random provider: terraform-provider-random behind Pulumi's Terraform bridge.
//
// The module's path lies below the upstream's, whose providers are in an internal package.
// "pulumi-resource-random schema --out DIR …" writes schema.json and bridge-metadata.json. Started
// without that verb it serves the provider, and expects both files beside its own executable.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	upstream "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// Set by the linker: the version of the Pulumi SDK package this provider answers to.
var version string

func provider(metadata []byte) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:                           pfbridge.ShimProvider(upstream.New()),
		Name:                        "random",
		Version:                     version,
		MetadataInfo:                tfbridge.NewProviderMetadata(metadata),
		EnableAccurateBridgePreview: true,
		EnableRawStateDelta:         true,
		Resources: map[string]*tfbridge.ResourceInfo{
			// The upstream resource has no id of its own.
			"random_bytes": {ComputeID: func(_ context.Context, state resource.PropertyMap) (resource.ID, error) {
				value := state["base64"]
				if value.IsSecret() {
					value = value.SecretValue().Element
				}
				if !value.IsString() {
					return "", errors.New("base64: the random bytes have no text form to take the id from")
				}
				return resource.ID(value.StringValue()), nil
			}},
		},
	}
	info.MustComputeTokens(tokens.SingleModule("random_", "index", func(module, name string) (string, error) {
		return tokens.MakeStandard("random")(module, "Random"+name)
	}))
	info.MustApplyAutoAliases()
	return info
}

func beside(name string) []byte {
	executable, err := os.Executable()
	if err == nil {
		executable, err = filepath.EvalSymlinks(executable)
	}
	var content []byte
	if err == nil {
		content, err = os.ReadFile(filepath.Join(filepath.Dir(executable), name))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return content
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "schema" {
		tfgen.Main("random", provider([]byte("{}")))
		return
	}
	pfbridge.Main(context.Background(), "random", provider(beside("bridge-metadata.json")), pfbridge.ProviderMetadata{PackageSchema: beside("schema.json")})
}
