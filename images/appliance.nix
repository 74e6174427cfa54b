# A whole machine that is only the appliance: `nix build .#nixosConfigurations.appliance.config.system.build.vm`,
# or …build.images.qemu for a disk. Without a key it talks to the built-in planner.
{ modulesPath, ... }:
{
  imports = [
    "${modulesPath}/profiles/minimal.nix"
    "${modulesPath}/virtualisation/qemu-vm.nix"
  ];

  networking.hostName = "testudo";
  system.stateVersion = "25.05";

  services.testudo = {
    enable = true;
    operators = [ "owner" ];
  };

  # Logs in on the console only; there is no way in over the network.
  users.users.owner.isNormalUser = true;
  services.getty.autologinUser = "owner";
  networking.firewall.enable = true;

  virtualisation.memorySize = 1024;
}
