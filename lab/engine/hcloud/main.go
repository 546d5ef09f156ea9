// The real Hetzner Cloud provider: terraform-provider-hcloud behind Pulumi's Terraform bridge.
//
// "pulumi-resource-hcloud schema --out DIR …" writes schema.json and bridge-metadata.json. Started
// without that verb it serves the provider, and expects both files beside its own executable.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hetznercloud/terraform-provider-hcloud/hcloud"
	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
)

// Set by the linker: the version of the Pulumi SDK package this provider answers to.
var version string

func provider(ctx context.Context, metadata []byte) tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:            pfbridge.MuxShimWithPF(ctx, shimv2.NewProvider(hcloud.Provider()), hcloud.NewPluginProvider()),
		Name:         "hcloud",
		Version:      version,
		MetadataInfo: tfbridge.NewProviderMetadata(metadata),
	}
	// Upstream ids that are numbers are strings in Pulumi.
	info.P.ResourcesMap().Range(func(token string, resource shim.Resource) bool {
		id, declared := resource.Schema().GetOk("id")
		if declared && id.Type() != shim.TypeString {
			if info.Resources == nil {
				info.Resources = map[string]*tfbridge.ResourceInfo{}
			}
			info.Resources[token] = &tfbridge.ResourceInfo{
				Fields: map[string]*tfbridge.SchemaInfo{"id": {Type: "string"}},
			}
		}
		return true
	})
	info.MustComputeTokens(tokens.SingleModule("hcloud_", "index", tokens.MakeStandard("hcloud")))
	info.SetAutonaming(255, "-")
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
		tfgen.MainWithMuxer("hcloud", provider(context.Background(), []byte("{}")))
		return
	}
	ctx := context.Background()
	pfbridge.MainWithMuxer(ctx, "hcloud", provider(ctx, beside("bridge-metadata.json")), beside("schema.json"))
}
