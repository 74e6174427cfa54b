# One input, no logic: everything is in nixos-module/, images/ and vm-tests/.
# There is no flake.lock: it needs the hash of a nixpkgs, so the first `nix flake lock` makes it.
{
  description = "Testudo, a personal agent that asks before it acts";

  # Newer than the oldest NixOS that the appliance runs on: the compiler must be Rust 1.95 or later.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      forAll = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      module = { pkgs, lib, ... }: {
        imports = [ ./nixos-module ];
        services.testudo.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.testudo;
      };
    in
    {
      packages = forAll (pkgs: rec {
        testudo = pkgs.callPackage ./nixos-module/package.nix { };
        default = testudo;
      });

      nixosModules.default = module;

      nixosConfigurations.appliance = nixpkgs.lib.nixosSystem {
        system = "x86_64-linux";
        modules = [ module ./images/appliance.nix ];
      };

      checks = forAll (pkgs: import ./vm-tests/nixos { inherit pkgs module; });

      devShells = forAll (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ self.packages.${pkgs.stdenv.hostPlatform.system}.testudo ];
          packages = [ pkgs.clippy pkgs.rustfmt pkgs.cargo-nextest pkgs.dbus pkgs.bubblewrap ];
        };
      });

      formatter = forAll (pkgs: pkgs.nixfmt-rfc-style);
    };
}
