import os
def ls(d, skip=()):
    return sorted(f for f in os.listdir('src/'+d) if f.endswith('.c') and f not in skip)
mods=[('base',['json_c']),('sys',[]),('plan',[]),('oci',[]),
 ('mech/ns',[]),('mech/mount',[]),('mech/cgroup',[]),('mech/cred',['libcap']),('mech/seccomp',['libseccomp','libmd']),('mech/tty',[]),('mech/hooks',[]),
 ('mech/sched',[]),('mech/netdev',[]),('mech/rdt',[]),('mech/lsm',[]),
 ('policy',['libseccomp']),('broker',[]),('launch',[]),('container',[]),('warm',[]),('checkpoint',[]),('cli',['libseccomp'])]
out=["# SPDX-License-Identifier: Apache-2.0","# One static library a module, in layer order (tools/layers.txt).","inc = include_directories('.')","", "modules = {"]
for m,d in mods:
    if m=='cli': continue
    fs=ls(m,('islander_blob.c',))
    out.append(f"  '{m}': {{")
    out.append("    'sources': files("+",\n      ".join(f"'{m}/{f}'" for f in fs)+"),")
    out.append("    'deps': ["+", ".join(d)+"]},")
out.append("}")
out.append("""
# cay-init, the islander: base/, sys/, plan/ and the apply halves of mech/, with musl.
init_sources = files('init/main.c', 'init/format.c',
  'base/err.c', 'base/parse.c', 'sys/syscalls.c', 'sys/channel.c', 'plan/step.c', 'plan/view.c',""")
app=["'mech/cgroup/cgroup_enter.c'"]
for m in ['ns','cred','tty','hooks','seccomp','sched','lsm']:
    app+=[f"'mech/{m}/{f}'" for f in ls('mech/'+m) if f.endswith('_apply.c')]
for f in ls('mech/mount'):
    if 'plan' in f or 'host' in f or 'options' in f: continue
    app.append(f"'mech/mount/{f}'")
out.append("  "+",\n  ".join(app)+")")
out.append("""
cay_init = custom_target('cay-init',
  output: 'cay-init',
  input: init_sources,
  command: [python, files('../tools/build_init.py'), get_option('musl_gcc'),
            meson.project_source_root(), '@OUTPUT@', '65536', '@INPUT@'],
  depend_files: run_command(python, files('../tools/list_headers.py'), check: true).stdout().strip().split('\\n'),
  install: true,
  install_dir: get_option('libexecdir') / 'cay')
islander_blob = custom_target('islander_blob',
  output: 'islander_blob.c',
  input: cay_init,
  command: [python, files('../tools/embed.py'), '@INPUT@', '@OUTPUT@'])

libs = []
foreach name, m : modules
  sources = m['sources']
  if name == 'launch'
    sources += islander_blob
  endif
  libs = [static_library(name.underscorify(), sources, include_directories: inc,
    dependencies: m['deps'])] + libs
endforeach
""")
sd=ls('systemd')
out.append("systemd_sources = files("+",\n  ".join(f"'systemd/{f}'" for f in sd)+")")
cl=ls('cli')
out.append("cli_sources = files("+",\n  ".join(f"'cli/{f}'" for f in cl)+")")
open('src/meson.build','w').write("\n".join(out)+"\n")
