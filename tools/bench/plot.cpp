#include "plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

namespace plumvine::bench {
namespace {

constexpr double kWidth = 980;
constexpr double kPlotWidth = 380;
constexpr double kPlotHeight = 230;
constexpr double kLeft = 80;
constexpr double kRight = 570;
constexpr double kRowHeight = 320;
constexpr double kTop = 40;
constexpr double kLegendRow = 20;

/// Okabe and Ito's colours, which colour-blind readers can tell apart; dashes where they do not suffice.
constexpr std::array<const char*, 7> kColours{"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555"};
constexpr std::array<const char*, 4> kDashes{"", "7 3", "2 3", "9 3 2 3"};

using Value = std::function<std::optional<double>(const Point&)>;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

std::string label(double x, double y, const char* anchor, const std::string& text, const char* more = "") {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>)"
                     "\n",
                     x, y, anchor, more, escaped(text));
}

std::string bytes_text(double bytes) {
  if (bytes >= 1048576) return fmt::format("{:.3g} MiB", bytes / 1048576);
  if (bytes >= 1024) return fmt::format("{:.3g} KiB", bytes / 1024);
  return fmt::format("{:.0f} B", bytes);
}

/// A logarithmic axis: values between `low` and `high` to positions between `from` and `to`.
struct Axis {
  double low = 1, high = 10;
  double from = 0, to = 1;

  /// From values above 0; with room for one step at both ends, whole powers of `base` where `round`.
  static Axis around(const std::vector<double>& values, double base, bool round, double from, double to) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const double scale = std::log(base);
    double low = std::log(*least) / scale, high = std::log(*most) / scale;
    if (round) {
      low = std::floor(low + 1e-9);
      high = std::ceil(high - 1e-9);
      if (low == high) high = low + 1;
    } else {
      low -= 0.7;
      high += 0.7;
    }
    return {std::pow(base, low), std::pow(base, high), from, to};
  }
  [[nodiscard]] double at(double value) const { return from + (to - from) * std::log(value / low) / std::log(high / low); }
};

double place_of(const Point& point, Over over) { return static_cast<double>(over == Over::size ? point.size : point.members); }

struct Style {
  std::string colour;
  std::string dash;
  double width = 1.5;

  [[nodiscard]] std::string line() const {
    return fmt::format(R"(stroke="{}" stroke-width="{}"{})", colour, width, dash.empty() ? "" : fmt::format(R"( stroke-dasharray="{}")", dash));
  }
};

/// One style a program, the same in all plots: ours thick, in the first colours.
std::map<std::string, Style> styles_of(const std::vector<Point>& points, std::vector<std::string>& order) {
  for (const bool ours : {true, false}) {
    for (const Point& point : points) {
      if (point.ours == ours && point.measured() && std::find(order.begin(), order.end(), point.who) == order.end()) order.push_back(point.who);
    }
  }
  std::map<std::string, Style> styles;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool ours = std::any_of(points.begin(), points.end(), [&](const Point& point) { return point.ours && point.who == order[i]; });
    styles[order[i]] = {kColours[i % kColours.size()], kDashes[i / kColours.size() % kDashes.size()], ours ? 3.5 : 1.5};
  }
  return styles;
}

/// One plot; `points` are of one mode, and of one number of members or one size. Empty where nobody has the value.
std::string panel(const std::vector<Point>& points, Over over, const std::string& title, const Value& value, double left, double top,
                  const std::map<std::string, Style>& styles, const std::vector<std::string>& order) {
  std::vector<double> places, values;
  for (const Point& point : points) {
    if (const auto known = value(point)) {
      places.push_back(place_of(point, over));
      values.push_back(*known);
    }
  }
  if (values.empty()) return {};
  const double bottom = top + kPlotHeight, right = left + kPlotWidth;
  const Axis x = Axis::around(places, 2, false, left, right);
  const Axis y = Axis::around(values, 10, true, bottom, top);
  std::string out = label(left, top - 10, "start", title, R"( font-weight="bold")");
  for (double power = y.low; power <= y.high * 1.0001; power *= 10) {
    for (int step = 1; step <= 9; ++step) {
      const double at = power * step;
      if (at > y.high * 1.0001) break;
      out += fmt::format(R"(<line x1="{0:.1f}" y1="{2:.1f}" x2="{1:.1f}" y2="{2:.1f}" stroke="{3}"/>)"
                         "\n",
                         left, right, y.at(at), step == 1 ? "#bbb" : "#eee");
    }
    out += label(left - 6, y.at(power) + 4, "end", short_number(power));
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  double labelled = left - kPlotWidth;
  for (const double place : places) {
    out += fmt::format(R"(<line x1="{0:.1f}" y1="{1:.1f}" x2="{0:.1f}" y2="{2:.1f}" stroke="#bbb"/>)"
                       "\n",
                       x.at(place), top, bottom + 4);
    if (x.at(place) - labelled < 48) continue;  // two labels would overlap
    out += label(x.at(place), bottom + 18, "middle", over == Over::size ? bytes_text(place) : fmt::format("{:.0f}", place));
    labelled = x.at(place);
  }
  out += label(left + kPlotWidth / 2, bottom + 36, "middle", over == Over::size ? "size of a payload" : "members");
  // Ours last, above the others.
  for (auto who = order.rbegin(); who != order.rend(); ++who) {
    const Style& style = styles.at(*who);
    std::string line, dots;
    for (const Point& point : points) {
      const auto known = point.who == *who ? value(point) : std::nullopt;
      if (!known) continue;
      const double px = x.at(place_of(point, over)), py = y.at(*known);
      line += fmt::format("{}{:.1f},{:.1f}", line.empty() ? "" : " ", px, py);
      // Hollow where the line is dashed: the colour is another's, too.
      dots += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}" stroke="{}"><title>{}: {}</title></circle>)"
                          "\n",
                          px, py, style.width + 1.5, style.dash.empty() ? style.colour : "white", style.colour, escaped(*who), short_number(*known));
    }
    if (line.find(' ') != std::string::npos) out += fmt::format("<polyline points=\"{}\" fill=\"none\" {}/>\n", line, style.line());
    out += dots;
  }
  return out;
}

Value field(Spread Point::*member) {
  return [member](const Point& point) -> std::optional<double> {
    const double median = (point.*member).median;
    return point.measured() && median > 0 ? std::optional{median} : std::nullopt;
  };
}
Value field(std::optional<Spread> Point::*member) {
  return [member](const Point& point) -> std::optional<double> {
    const auto& spread = point.*member;
    return spread && spread->median > 0 ? std::optional{spread->median} : std::nullopt;
  };
}

}  // namespace

std::string plot(std::vector<Point> points, Over over) {
  const auto group_of = [over](const Point& point) { return over == Over::size ? point.members : point.size; };
  std::stable_sort(points.begin(), points.end(), [&](const Point& a, const Point& b) {
    return std::tuple(std::string_view{a.mode}, group_of(a), place_of(a, over)) < std::tuple(std::string_view{b.mode}, group_of(b), place_of(b, over));
  });
  std::vector<std::string> order;
  const auto styles = styles_of(points, order);
  std::string body;
  double top = kTop;
  for (auto from = points.begin(); from != points.end();) {
    const auto to = std::find_if(from, points.end(), [&](const Point& p) { return p.mode != from->mode || group_of(p) != group_of(*from); });
    const std::vector<Point> group(from, to);
    const std::string what = over == Over::size ? fmt::format("{} members", from->members) : bytes_text(static_cast<double>(from->size));
    const std::string where = fmt::format("{}, mode {}: ", what, from->mode);
    const bool paced = from->mode == "lat";
    const std::string left = paced ? panel(group, over, where + "latency p50, µs", field(&Point::p50_us), kLeft, top, styles, order)
                                   : panel(group, over, where + "deliveries/s", field(&Point::deliveries_per_s), kLeft, top, styles, order);
    const std::string right = paced ? panel(group, over, where + "latency p99, µs", field(&Point::p99_us), kRight, top, styles, order)
                                    : panel(group, over, where + "CPU s per million deliveries", field(&Point::cpu_per_million), kRight, top, styles, order);
    if (!left.empty() || !right.empty()) {
      body += left + right;
      top += kRowHeight;
    }
    from = to;
  }
  std::string legend;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double x = kLeft + 300 * static_cast<double>(i % 3), y = top + kLegendRow * static_cast<double>(i / 3);
    legend += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x, y, x + 34, y, styles.at(order[i]).line());
    legend += label(x + 42, y + 4, "start", order[i]);
  }
  const double height = top + kLegendRow * static_cast<double>((order.size() + 2) / 3) + 10;
  return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
                     "<title>plumvine-bench report</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{2}{3}</svg>\n",
                     kWidth, height, body, legend);
}

}  // namespace plumvine::bench
