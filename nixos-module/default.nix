# The NixOS module: services.testudo. It installs the units of the package and adds only what a machine decides:
# the configuration, credentials, users, what tool calls may use.
{
  imports = [
    ./options.nix
    ./settings.nix
    ./matrix.nix
    ./assertions.nix
    ./units.nix
  ];
}
