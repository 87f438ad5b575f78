# Writes the files of the dashboard into a C++ source: cmake -DFOLDER=… -DOUTPUT=… -P EmbedDashboard.cmake
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*.html ${FOLDER}/*.css ${FOLDER}/*.js ${FOLDER}/*.svg)
set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_svg "image/svg+xml")
foreach(file ${files})
  string(MAKE_C_IDENTIFIER ${file} name)
  string(REGEX REPLACE ".*\\." "" ending ${file})
  file(READ ${FOLDER}/${file} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")  # sixteen bytes a line
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  file(SHA256 ${FOLDER}/${file} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  string(APPEND arrays "constexpr char ${name}[] = {\n${bytes}};\n")
  string(APPEND rows "    {\"${file}\", \"${type_${ending}}\", \"${hash}\", {${name}, sizeof ${name}}},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made from health/dashboard.
#include \"transport/uv/dashboard.hpp\"

namespace plumvine::uv {
namespace {

${arrays}
constexpr DashboardFile files[] = {
${rows}};

}  // namespace

const DashboardFile* find_dashboard_file(std::string_view name) noexcept {
  for (const DashboardFile& file : files)
    if (file.name == name) return &file;
  return nullptr;
}

}  // namespace plumvine::uv
")
